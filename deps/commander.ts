/** Arguments and help texts of the command line; `cli/` only. @module */

export {
  Argument,
  Command,
  CommanderError,
  InvalidArgumentError,
  Option,
} from "npm:commander@^15.0.0";
