/** The programs of an installed RabbitMQ. */
export interface RabbitmqInstall {
  /** Folder that `WARREN_RABBITMQ` takes to find this one again. */
  readonly root: string;
  /** Such as `4.0.5`; empty if its folders do not tell. */
  readonly version: string;
  readonly server: string;
  readonly ctl: string;
  /** The Erlang port mapper, which nodes and rabbitmqctl find each other by. */
  readonly epmd: string;
  /** Folder of `erl`, which the other programs look for on the PATH. */
  readonly erlang: string;
}

/**
 * Folders that hold versioned RabbitMQ folders.
 *
 * They come before the PATH: Debian's `/usr/sbin/rabbitmqctl` is a wrapper that changes to the user
 * "rabbitmq", who cannot read the cookie of a private node.
 */
const VERSION_FOLDERS = ["/usr/lib/rabbitmq/lib", "/opt/rabbitmq"];
const SBIN_FOLDERS = [
  "/opt/homebrew/opt/rabbitmq/sbin",
  "/usr/local/opt/rabbitmq/sbin",
  "/home/linuxbrew/.linuxbrew/opt/rabbitmq/sbin",
  "/opt/rabbitmq/sbin",
];

/** Where `WARREN_RABBITMQ` has RabbitMQ and Erlang: packages unpacked there, or a release. */
const PACKAGED_RABBITMQ = "usr/lib/rabbitmq/lib";
const PACKAGED_ERLANG = "usr/lib/erlang/bin";

/**
 * Finds an installed RabbitMQ, or says what is missing.
 *
 * @param root Folder to look in, and nowhere else; by default `WARREN_RABBITMQ` if it is set, and
 * the places where RabbitMQ is usually installed if it is not.
 */
export function findRabbitmq(
  root: string | undefined = Deno.env.get("WARREN_RABBITMQ"),
): RabbitmqInstall | string {
  return root ? rabbitmqIn(root.replace(/\/+$/, "")) : rabbitmqOfSystem();
}

/** Whoever names a RabbitMQ must not be given another one. */
function rabbitmqIn(root: string): RabbitmqInstall | string {
  const sbin = [...sbinFoldersOf(`${root}/${PACKAGED_RABBITMQ}`), `${root}/sbin`].find(isSbin);
  if (sbin === undefined) return `there is no rabbitmq-server in "${root || "/"}"`;
  const erlang = [`${root}/${PACKAGED_ERLANG}`, ...pathFolders(), ...SBIN_FOLDERS].find(hasErlang);
  return installOf(root || "/", sbin, erlang);
}

function rabbitmqOfSystem(): RabbitmqInstall | string {
  const onPath = pathFolders();
  const sbin = [...VERSION_FOLDERS.flatMap(sbinFoldersOf), ...SBIN_FOLDERS, ...onPath].find(isSbin);
  if (sbin === undefined) return "no rabbitmq-server is installed";
  return installOf(folderOf(sbin), sbin, [sbin, ...onPath, ...SBIN_FOLDERS].find(hasErlang));
}

function installOf(
  root: string,
  sbin: string,
  erlang: string | undefined,
): RabbitmqInstall | string {
  if (erlang === undefined) return `rabbitmq-server is in ${sbin}, but Erlang is not on the PATH`;
  const epmd = [erlang, folderOf(Deno.realPathSync(`${erlang}/erl`))]
    .map((folder) => `${folder}/epmd`).find(isFile);
  if (epmd === undefined) return `Erlang is in ${erlang}, but its epmd is not`;
  const version = /\d+\.\d+\.\d+/.exec(Deno.realPathSync(sbin))?.[0] ?? "";
  return {
    root,
    version,
    server: `${sbin}/rabbitmq-server`,
    ctl: `${sbin}/rabbitmqctl`,
    epmd,
    erlang,
  };
}

function sbinFoldersOf(folder: string): string[] {
  try {
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    return names.sort().reverse().map((name) => `${folder}/${name}/sbin`);
  } catch {
    // Not there: RabbitMQ is not installed in this way.
    return [];
  }
}

function pathFolders(): string[] {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  // Debian keeps /usr/sbin off the PATH of ordinary users, macOS the folders of Homebrew.
  return [...folders, "/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
}

function isSbin(folder: string): boolean {
  return isFile(`${folder}/rabbitmq-server`) && isFile(`${folder}/rabbitmqctl`);
}

function hasErlang(folder: string): boolean {
  return isFile(`${folder}/erl`);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
