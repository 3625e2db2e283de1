/** Calls observers in a way that cannot break the library. @module */

/**
 * Wraps an observer so that what it throws, or rejects with if it is asynchronous, does not reach
 * the library.
 *
 * @param observer The user's function, if there is one.
 * @param onFailure Told of what it throws; nobody is, unless told otherwise.
 * @returns A function that never throws.
 */
export function safeObserver<Event>(
  observer: ((event: Event) => unknown) | undefined,
  onFailure: (error: unknown) => void = () => {},
): (event: Event) => void {
  if (observer === undefined) return () => {};
  return (event) => {
    try {
      const result = observer(event);
      if (result instanceof Promise) result.catch(onFailure);
    } catch (error) {
      onFailure(error);
    }
  };
}
