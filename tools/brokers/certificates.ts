/** Certificates for tests of TLS, made by the `openssl` command. @module */

/** A certificate and its private key, as PEM text. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is to say. */
export interface CertificateOptions {
  /** Its hosts, such as `DNS:localhost` and `IP:127.0.0.1`; by default it names none. */
  readonly hosts?: readonly string[];
  /**
   * How long it is valid; a negative number makes one that has expired.
   *
   * @default {1}
   */
  readonly days?: number;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Whether there is an `openssl` command. */
export function hasOpenssl(): boolean {
  try {
    return new Deno.Command("openssl", { args: ["version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** An authority that signs certificates, for as long as a test takes. */
export class CertificateAuthority implements Disposable {
  /** Its own certificate, as PEM text. */
  readonly certificate: string;
  readonly #folder: string;

  private constructor(folder: string, certificate: string) {
    this.#folder = folder;
    this.certificate = certificate;
  }

  static async create(): Promise<CertificateAuthority> {
    const folder = await Deno.makeTempDir({ prefix: "warren-ca-" });
    const subject = ["-subj", "/CN=Warren test authority"];
    await openssl(folder, ["req", "-x509", ...NEW_KEY, ...subject, ...files("ca", "crt")]);
    return new CertificateAuthority(folder, await Deno.readTextFile(`${folder}/ca.crt`));
  }

  /** Signs a new certificate. */
  async issue({ hosts = [], days = 1 }: CertificateOptions = {}): Promise<KeyPair> {
    const name = crypto.randomUUID();
    const path = `${this.#folder}/${name}`;
    const names = hosts.length === 0 ? "" : `subjectAltName=${hosts.join(",")}\n`;
    await Deno.writeTextFile(`${path}.ext`, `basicConstraints=CA:FALSE\n${names}`);
    await openssl(this.#folder, ["req", ...NEW_KEY, "-subj", `/CN=${name}`, ...files(name, "csr")]);
    // The file that openssl would count in is no place for two at a time.
    const serial = ["-set_serial", `0x${name.replaceAll("-", "")}`];
    const authority = ["-CA", "ca.crt", "-CAkey", "ca.key", ...serial];
    const signed = ["-extfile", `${name}.ext`, "-days", `${days}`, "-out", `${name}.crt`];
    await openssl(this.#folder, ["x509", "-req", "-in", `${name}.csr`, ...authority, ...signed]);
    const [cert, key] = await Promise.all([
      Deno.readTextFile(`${path}.crt`),
      Deno.readTextFile(`${path}.key`),
    ]);
    return { cert, key };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function files(name: string, extension: string): string[] {
  return ["-keyout", `${name}.key`, "-out", `${name}.${extension}`];
}

async function openssl(folder: string, args: readonly string[]): Promise<void> {
  const command = new Deno.Command("openssl", { args: [...args], cwd: folder });
  const { success, stderr } = await command.output();
  if (success) return;
  throw new Error(`Cannot run "openssl ${args[0]}": ${new TextDecoder().decode(stderr)}`);
}
