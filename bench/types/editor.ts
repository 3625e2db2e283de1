/** How long an editor waits for what Deno's language server says after each edit. @module */

import { LanguageServer } from "../../tools/measuring/language_server.ts";

/** An editor that has one program open. */
export class Editor implements AsyncDisposable {
  readonly #server: LanguageServer;
  readonly #uri: string;
  readonly #lines: readonly string[];
  #version = 1;

  private constructor(server: LanguageServer, uri: string, text: string) {
    this.#server = server;
    this.#uri = uri;
    this.#lines = text.trimEnd().split("\n");
  }

  /**
   * Opens a program, and waits until the server knows it.
   *
   * @param path Where the program is; its folder has a `deno.json`.
   * @returns The editor.
   */
  static async open(path: string): Promise<Editor> {
    const folder = path.replace(/\/[^/]*$/, "");
    const text = await Deno.readTextFile(path);
    const server = new LanguageServer(folder);
    const editor = new Editor(server, new URL(`file://${path}`).href, text);
    await server.request("initialize", {
      processId: Deno.pid,
      rootUri: new URL(`file://${folder}`).href,
      capabilities: { workspace: { configuration: true } },
      initializationOptions: { enable: true },
    });
    await server.notify("initialized", {});
    const textDocument = { uri: editor.#uri, languageId: "typescript", version: 1, text };
    await server.notify("textDocument/didOpen", { textDocument });
    await editor.#hover();
    return editor;
  }

  /**
   * Types a line at the end, and asks what is called there.
   *
   * @returns How long the answer took, in seconds.
   * @throws {Error} If the server knows no type there.
   */
  async editAndHover(): Promise<number> {
    const line = this.#lines.length - 1;
    const end = { line, character: this.#lines[line]?.length ?? 0 };
    const started = performance.now();
    await this.#server.notify("textDocument/didChange", {
      textDocument: { uri: this.#uri, version: ++this.#version },
      contentChanges: [{ range: { start: end, end }, text: "\nconsole.log(1);" }],
    });
    await this.#hover();
    return (performance.now() - started) / 1_000;
  }

  async #hover(): Promise<void> {
    const line = this.#lines.findLastIndex((text) => text.includes(".total"));
    const character = (this.#lines[line] ?? "").lastIndexOf(".total") + 2;
    const found = JSON.stringify(
      await this.#server.request("textDocument/hover", {
        textDocument: { uri: this.#uri },
        position: { line, character },
      }),
    );
    if (!found.includes("number")) {
      throw new Error(`Cannot measure as the hover shows no type: ${found}`);
    }
  }

  /** Ends the language server. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}
