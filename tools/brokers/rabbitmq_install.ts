/** The programs of an installed RabbitMQ. */
export interface RabbitmqInstall {
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

/** Finds an installed RabbitMQ, or says what is missing. */
export function findRabbitmq(): RabbitmqInstall | string {
  const onPath = pathFolders();
  const sbin = [...VERSION_FOLDERS.flatMap(sbinFoldersOf), ...SBIN_FOLDERS, ...onPath]
    .find((folder) => isFile(`${folder}/rabbitmq-server`) && isFile(`${folder}/rabbitmqctl`));
  if (sbin === undefined) return "no rabbitmq-server is installed";
  const erlang = [sbin, ...onPath, ...SBIN_FOLDERS].find((folder) => isFile(`${folder}/erl`));
  if (erlang === undefined) return `rabbitmq-server is in ${sbin}, but Erlang is not on the PATH`;
  const epmd = [erlang, folderOf(Deno.realPathSync(`${erlang}/erl`))]
    .map((folder) => `${folder}/epmd`).find(isFile);
  if (epmd === undefined) return `Erlang is in ${erlang}, but its epmd is not`;
  return { server: `${sbin}/rabbitmq-server`, ctl: `${sbin}/rabbitmqctl`, epmd, erlang };
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
