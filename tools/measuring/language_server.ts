/** Deno's language server, as an editor drives it. @module */

/** Where something is in a file. */
export interface Position {
  readonly line: number;
  readonly character: number;
}

/** A language server that knows one folder. */
export class LanguageServer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #messages: AsyncGenerator<Record<string, unknown>>;
  #lastId = 0;

  /**
   * Starts one.
   *
   * @param folder Where it runs.
   */
  constructor(folder: string) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["lsp"],
      cwd: folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#messages = messagesOf(this.#process.stdout);
  }

  /** Tells it something. */
  async notify(method: string, params: unknown): Promise<void> {
    await this.#send({ method, params });
  }

  /** Asks it something, and answers what it asks meanwhile. */
  async request(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    await this.#send({ id, method, params });
    while (true) {
      const { value } = await this.#messages.next();
      if (value === undefined) throw new Error(`The language server ended before ${method}`);
      if ("method" in value && "id" in value) {
        const isSettings = value.method === "workspace/configuration";
        await this.#send({ id: value.id, result: isSettings ? [{ enable: true }] : null });
      } else if (value.id === id) return value.result;
    }
  }

  async #send(message: object): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
    await this.#writer.write(new TextEncoder().encode(`Content-Length: ${body.length}\r\n\r\n`));
    await this.#writer.write(body);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await this.#messages.return(undefined);
    await this.#writer.abort().catch(() => {});
    await this.#process.status;
  }
}

/** Bytes with a head that says how many they are, as the protocol has them. */
async function* messagesOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Record<string, unknown>> {
  let text = "";
  // As latin1, each character is a byte.
  for await (const chunk of stream) {
    for (const byte of chunk) text += String.fromCharCode(byte);
    for (let head = headOf(text); head !== undefined; head = headOf(text)) {
      const body = text.slice(head.start, head.end);
      text = text.slice(head.end);
      yield JSON.parse(new TextDecoder().decode(Uint8Array.from(body, (c) => c.charCodeAt(0))));
    }
  }
}

function headOf(text: string): { readonly start: number; readonly end: number } | undefined {
  const [head, length] = /^[^]*?Content-Length: (\d+)[^]*?\r\n\r\n/i.exec(text) ?? [];
  if (head === undefined) return undefined;
  const end = head.length + Number(length);
  return end <= text.length ? { start: head.length, end } : undefined;
}
