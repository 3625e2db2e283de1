/** Rows of the chaos suite that each release of RabbitMQ may answer in its own way. @module */

import { testRows } from "../helpers/chaos_rows.ts";

testRows(({ isOfRelease = false }) => isOfRelease);
