/** Rows of the chaos suite whose faults are those of our processes, of networks and of clusters. @module */

import { testRows } from "../helpers/chaos_rows.ts";

testRows(({ isOfRelease = false }) => !isOfRelease);
