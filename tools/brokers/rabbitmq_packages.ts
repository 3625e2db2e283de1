/**
 * Unpacks RabbitMQ of any Debian release into a folder, with its Erlang and its C library.
 *
 * It needs neither root nor a container and touches nothing of the system: an apt of its own fetches
 * the packages and checks their signatures, and each program is told to use the libraries beside it.
 *
 * @module
 */

import { say } from "../tasks/say.ts";

/** What to install, and where. */
export interface InstallRabbitmqOptions {
  /** Codename of a Debian release. */
  readonly suite: string;
  /** Absolute path of a folder, which must not exist. */
  readonly folder: string;
}

/** What RabbitMQ runs with; the rest of what apt would install is for services and scripts. */
const NEEDED_PACKAGE =
  /^(?:rabbitmq-server|erlang-.*|lib(?:c6|gcc-s1|stdc\+\+6|ssl3(?:t64)?|tinfo6|systemd0|sctp1|cap2|zstd1|lz4-1|lzma5|gcrypt20|gpg-error0)|zlib1g)$/;

/** Nobody reads these there. */
const UNNEEDED_FOLDERS = ["doc", "man", "locale", "lintian", "bug", "bash-completion"];

/** What each of these programs is in, should it be missing. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  "patchelf": "patchelf",
};

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/**
 * Installs a RabbitMQ; it takes about ten seconds and 100 MB.
 *
 * @throws {Error} If a program that this needs is missing, or apt does not have the packages.
 */
export async function installRabbitmq({ suite, folder }: InstallRabbitmqOptions): Promise<void> {
  await requirePrograms();
  say(`Installing RabbitMQ of Debian's "${suite}" into ${folder}`);
  await Deno.mkdir(parentOf(folder), { recursive: true });
  await using stack = new AsyncDisposableStack();
  // Beside the folder, so that it comes into being whole, by one rename.
  const work = await Deno.makeTempDir({ dir: parentOf(folder), prefix: ".installing-" });
  stack.defer(() => Deno.remove(work, { recursive: true }));
  const root = `${work}/root`;
  await Deno.mkdir(root);
  for (const file of await downloadPackages(suite, work)) await run("dpkg-deb", ["-x", file, root]);
  for (const name of UNNEEDED_FOLDERS) {
    await Deno.remove(`${root}/usr/share/${name}`, { recursive: true }).catch(ignoreMissing);
  }
  await relocate(root, folder);
  try {
    await Deno.rename(root, folder);
  } catch (error) {
    // Somebody else has installed the same at the same time.
    if (!await exists(folder)) throw error;
  }
  const start = ["-noshell", "-eval", "{ok, _} = application:ensure_all_started(ssl), halt()."];
  await run(`${folder}/usr/lib/erlang/bin/erl`, start, { HOME: work });
}

async function requirePrograms(): Promise<void> {
  for (const [program, source] of Object.entries(PROGRAMS)) {
    if (await run(program, ["--version"]).then(() => true, () => false)) continue;
    throw new Error(
      `Cannot install RabbitMQ as there is no "${program}": it needs Debian or Ubuntu and "apt-get install ${source}"`,
    );
  }
}

/** Downloads the packages with an apt that knows of no installed ones; returns their files. */
async function downloadPackages(suite: string, work: string): Promise<string[]> {
  const debs = `${work}/debs`;
  const folders = [debs, `${work}/lists/partial`, `${work}/cache/archives/partial`];
  for (const path of folders) await Deno.mkdir(path, { recursive: true });
  const architecture = (await run("dpkg", ["--print-architecture"])).trim();
  const source = `deb [arch=${architecture} signed-by=${KEYRING}] ${await archive()} ${suite} main`;
  await Deno.writeTextFile(`${work}/sources.list`, `${source}\n`);
  await Deno.writeTextFile(`${work}/status`, "");
  const apt = (...args: readonly string[]) => {
    return run("apt-get", [...ownState(work), "--quiet=2", ...args], {}, debs);
  };
  await apt("update");
  // Without libsctp1, Erlang 29 prints a warning on the stdout of every rabbitmqctl.
  const uris = await apt("install", "--print-uris", "--yes", "rabbitmq-server", "libsctp1");
  const names = [...uris.matchAll(/^'[^']*\/([^/_']+)_[^']*'/gm)]
    .map(([, name = ""]) => decodeURIComponent(name)).filter((name) => NEEDED_PACKAGE.test(name));
  await apt("download", ...names);
  const files = [...Deno.readDirSync(debs)].map(({ name }) => `${debs}/${name}`);
  if (files.length > 0 && files.length === names.length) return files;
  throw new Error(
    `Cannot install RabbitMQ as apt gave ${files.length} of ${names.length} packages`,
  );
}

/** Options that come last, after all of this system's configuration, and so win. */
function ownState(work: string): string[] {
  const options = {
    "Dir::Etc::SourceList": `${work}/sources.list`,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": "/dev/null",
    "Dir::State": work,
    "Dir::State::Lists": `${work}/lists`,
    "Dir::State::status": `${work}/status`,
    "Dir::Cache": `${work}/cache`,
    "Acquire::Languages": "none",
    "Acquire::PDiffs": "false",
    "Acquire::Retries": "3",
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "",
  };
  return Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The Debian archive that this system's apt uses; `WARREN_DEBIAN_ARCHIVE` names another. */
async function archive(): Promise<string> {
  const named = Deno.env.get("WARREN_DEBIAN_ARCHIVE");
  if (named) return named;
  const format = ["--format", "$(REPO_URI)", "Created-By: Packages"];
  const uris = (await run("apt-get", ["indextargets", ...format])).split("\n");
  const uri = uris.find((uri) => /\/debian\/?$/.test(uri));
  if (uri !== undefined) return uri;
  throw new Error(
    "Cannot install RabbitMQ as apt knows no archive of Debian here: set WARREN_DEBIAN_ARCHIVE to the URL of one",
  );
}

/** Makes programs in `root` ready to run in `folder`, with the libraries that are there. */
async function relocate(root: string, folder: string): Promise<void> {
  // Older releases have some of them in /lib, which is not the same folder there.
  const libraries = [...folders(`${root}/usr/lib`), ...folders(`${root}/lib`)]
    .filter((path) => path.endsWith("-linux-gnu"));
  const loader = libraries.flatMap(files).find((path) => /\/ld-linux-[^/]*\.so\.\d+$/.test(path));
  if (loader === undefined) {
    throw new Error("Cannot install RabbitMQ as its C library has no loader");
  }
  const moved = (path: string) => folder + path.slice(root.length);
  const rpath = ["--force-rpath", "--set-rpath", libraries.map(moved).join(":")];
  for (const path of [...filesUnder(`${root}/usr/lib/erlang`)]) {
    if (await isElf(path)) {
      const interpreter = path.endsWith(".so") ? [] : ["--set-interpreter", moved(loader)];
      await run("patchelf", [...interpreter, ...rpath, path]);
    } else if (/\/bin\/(?:erl|start)$/.test(path)) {
      const script = await Deno.readTextFile(path);
      const erlang = "/usr/lib/erlang";
      await Deno.writeTextFile(path, script.replaceAll(`=${erlang}`, `=${folder}${erlang}`));
    }
  }
}

function* filesUnder(folder: string): Generator<string> {
  for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesUnder(path);
    // Libraries and programs are only there.
    else if (isFile && /\/(?:bin|priv)\//.test(path)) yield path;
  }
}

function folders(path: string): string[] {
  return entries(path, ({ isDirectory }) => isDirectory);
}

function files(path: string): string[] {
  return entries(path, ({ isDirectory }) => !isDirectory);
}

function entries(path: string, isWanted: (entry: Deno.DirEntry) => boolean): string[] {
  try {
    return [...Deno.readDirSync(path)].filter(isWanted).map(({ name }) => `${path}/${name}`);
  } catch (error) {
    ignoreMissing(error);
    return [];
  }
}

async function isElf(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const start = new Uint8Array(ELF_MAGIC.length);
  await file.read(start);
  return ELF_MAGIC.every((byte, index) => start[index] === byte);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = "/",
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: { ...env, LC_ALL: "C.UTF-8" },
    cwd,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  const command = [program, ...args.filter((arg) => !arg.includes("::") && arg !== "-o")].join(" ");
  throw new Error(`Cannot run "${command}": ${decoder.decode(stderr).trim()}`);
}
