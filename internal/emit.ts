/** Calls observers in a way that cannot break the library. @module */

/**
 * Wraps an observer so that whatever it throws is dropped: an observer has nobody to answer to.
 *
 * @param observer The user's `onEvent`, if there is one.
 * @returns A function that never throws.
 */
export function safeObserver<Event>(
  observer: ((event: Event) => void) | undefined,
): (event: Event) => void {
  if (observer === undefined) return () => {};
  return (event) => {
    try {
      observer(event);
    } catch {
      // See above.
    }
  };
}
