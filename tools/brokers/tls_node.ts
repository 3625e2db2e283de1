/** A RabbitMQ node with a TLS listener. @module */

import { freePorts } from "./free_ports.ts";
import { PrivateNode } from "./private_node.ts";
import type { CertificateAuthority, KeyPair } from "./certificates.ts";

/** How to start a {@linkcode TlsNode}. */
export interface TlsNodeOptions {
  /** Signs what the node trusts. */
  readonly authority: CertificateAuthority;
  /** What the node shows. */
  readonly certificate: KeyPair;
  /** Whether clients must show a certificate, too. */
  readonly demandsCertificate?: boolean;
}

/** A {@linkcode PrivateNode} that listens for TLS as well. */
export class TlsNode implements AsyncDisposable {
  /** The port of the TLS listener. */
  readonly port: number;
  readonly node: PrivateNode;
  readonly #folder: string;

  private constructor(node: PrivateNode, port: number, folder: string) {
    this.node = node;
    this.port = port;
    this.#folder = folder;
  }

  static async start(options: TlsNodeOptions): Promise<TlsNode> {
    const { authority, certificate, demandsCertificate = false } = options;
    const folder = await Deno.makeTempDir({ prefix: "warren-tls-" });
    const [port = 0] = freePorts(1);
    const config = [
      `listeners.ssl.1 = 127.0.0.1:${port}`,
      `ssl_options.cacertfile = ${folder}/ca.crt`,
      `ssl_options.certfile = ${folder}/node.crt`,
      `ssl_options.keyfile = ${folder}/node.key`,
      `ssl_options.verify = ${demandsCertificate ? "verify_peer" : "verify_none"}`,
      `ssl_options.fail_if_no_peer_cert = ${demandsCertificate}`,
    ].join("\n");
    try {
      await Deno.writeTextFile(`${folder}/ca.crt`, authority.certificate);
      await writeKeyPair(folder, certificate);
      return new TlsNode(await PrivateNode.start({ config }), port, folder);
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Where clients connect. */
  url(host = "127.0.0.1"): string {
    return `amqps://guest:guest@${host}:${this.port}`;
  }

  /** Shows another certificate from the next connection on. */
  async show(certificate: KeyPair): Promise<void> {
    await writeKeyPair(this.#folder, certificate);
    await this.node.ctl("eval", "ssl:clear_pem_cache().");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function writeKeyPair(folder: string, { cert, key }: KeyPair): Promise<void> {
  await Deno.writeTextFile(`${folder}/node.crt`, cert);
  await Deno.writeTextFile(`${folder}/node.key`, key);
}
