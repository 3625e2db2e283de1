// A worker file: main.ts starts it in a pool, to shrink one picture at a time.
import { ImageMagick, initializeImageMagick, MagickFormat, magickUrl } from "../../deps/magick.ts";
import { expose } from "../../workers/runtime.ts";

/** The longer side, in pixels. */
const SIZE = 160;

// Once for each worker, before its first task.
await initializeImageMagick(await Deno.readFile(magickUrl));

/** Bytes that are the whole input or output travel as they are. */
function thumbnail(picture: Uint8Array): Uint8Array {
  return ImageMagick.read(picture, (image) => {
    image.autoOrient();
    image.thumbnail(SIZE, SIZE);
    return image.write(MagickFormat.WebP, (bytes) => bytes.slice());
  });
}

/** What the client's compiler needs to know. */
export type ThumbnailContract = { readonly thumbnail: typeof thumbnail };

expose({ thumbnail });
