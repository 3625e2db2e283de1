/** The circuit breaker of {@linkcode withResilience}. @module */

export {
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  handleWhenResult,
} from "npm:cockatiel@^4.0.0";
