import { expose } from "../../workers/runtime.ts";

expose({ echo: (input: unknown) => input, exit: () => Deno.exit(1) });
