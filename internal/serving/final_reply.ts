/** Publishes the last reply to a request. @module */

import { RpcError } from "../../errors.ts";
import { type IncomingRequest, type OutgoingReply, replyMessage } from "../protocol/envelope.ts";
import { encodeError } from "../running/encode_reply.ts";
import type { EncodedReply } from "../running/encoded_handler.ts";
import type { ReplyPublisher } from "./reply_publisher.ts";
import { unsendable } from "./unsendable.ts";

/** The last reply to a request. */
export type FinalReply = EncodedReply | OutgoingReply;

/**
 * Publishes a reply, or the reason why it cannot be published.
 *
 * @param isWanted Whether the caller still waits.
 * @returns What the caller got, or why nothing.
 * @throws {RpcError} `closed`, if the connection was closed for good.
 */
export async function publishFinalReply(
  publisher: ReplyPublisher,
  { replyTo = "", correlationId, callback }: IncomingRequest,
  reply: FinalReply,
  isWanted: () => boolean,
): Promise<"output" | "error" | "gone" | "refused"> {
  async function publish(reply: FinalReply & Pick<OutgoingReply, "callback">) {
    const message = replyMessage({ ...reply, correlationId, replyTo });
    const outcome = await publisher.publish(message, isWanted);
    if (outcome !== "published") return outcome;
    return reply.type === "error" ? "error" : "output";
  }
  try {
    return await publish({ ...reply, callback });
  } catch (error) {
    if (error instanceof RpcError) throw error;
    return await publish(encodeError(unsendable(error)));
  }
}
