/** Reads, shrinks and writes pictures of all usual kinds; an example only. @module */

export {
  ImageMagick,
  initializeImageMagick,
  MagickFormat,
} from "npm:@imagemagick/magick-wasm@^0.0.43";
/** Where its code is, which its user must hand to it. */
export const magickUrl: URL = new URL(
  import.meta.resolve("npm:@imagemagick/magick-wasm@^0.0.43/magick.wasm"),
);
