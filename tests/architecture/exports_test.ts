import { assertEquals, assertLessOrEqual } from "../../deps/std_assert.ts";
import config from "../../deno.json" with { type: "json" };
import { ImportGraph, textOf } from "../helpers/source_files.ts";
import { applyRule, exportedNames } from "../helpers/source_rules.ts";

/** An entry of the package. */
interface Entry {
  /** What it is for, and why not in another one. */
  readonly reason: string;
  /** All that it exports. A name more is one that users must learn: its commit says why. */
  readonly names: string;
}

/** What `@warren/rpc` and the entries beside it export. */
const ENTRIES: Readonly<Record<string, Entry>> = {
  ".": {
    reason: "what callers and servers need",
    names:
      `AnyContract AnyHandlers ApiMember BatchCall BatchingOptions BatchOptions BatchOutputs Body BrokerNode BrokerUrl
      CallArguments CallAsyncArguments CallCallback CallContext CallOptions CallPhase CallReport CallResult CallStep CallTiming Caller
      ClientApi ClientInterceptor ClientOf Codec ConnectOptions ConnectionEvent Contract Credentials
      DeclaredError Durability DurableReplyQueue ErrorDescription ErrorsOf Handler Handlers
      HeaderValue IdempotencyClaim IdempotencyOptions IdempotencyOutput IdempotencyState IdempotencyStore InferInputs InferItems InferOutputs InputOf InterceptedCall InterceptedReply
      InterceptedRequest ItemOf JsonCodecOptions KnownErrorCode MessageHeaders NamedCallback
      NamedCallbackOptions NamedReply NotifyOptions OutputOf PlainNames PoolHandler Procedure
      ProcedureName ProgressOf QueueOptions ReplyCacheOptions ReplyDetails ReplyQueue RpcClient RpcClientCloseOptions
      RpcClientEvent RpcClientOptions RpcClientStats RpcConnection RpcError RpcErrorCode
      RpcErrorOptions RpcPromise RpcRemoteError RpcServer RpcServerCloseOptions RpcServerEvent
      RpcServerOptions RpcServerStats RpcState RpcTimeoutError SafeResult Servable ServedTiming
      ServerConnectionEvent ServerInterceptor SettledOutcome StandardSchema StandardSchemaIssue
      StandardSchemaResult StreamNames StreamOptions Streamed TlsOptions Unusable WithMsgpack
      codecFor createJsonCodec implement isRpcError jsonCodec safe shardOf`,
  },
  "./contract": {
    reason: "contracts that are packages of their own: types that load nothing",
    names: `AnyContract AnyFunction AnyHandlers AnyStreamed Arriving ByJson ByMsgpack CallArguments
      CallContext CodeIn Contract ErrorsOf FunctionOf Given Handler HandlerOf Handlers HeaderValue
      InferInputs InferItems InferOutputs InputOf ItemOf JsonPlain KindOf Less MemberErrors
      MemberInput MemberOf MemberOutput MemberProgress MessageHeaders NamesOf
      NoMoreThan OddIn OddObject OnWire OtherSchema OutputOf PlainNames PoolHandler Primitive Procedure
      ProcedureName ProgressContext ProgressOf ReportingHandler ReportsProgress RunInput RunOutput
      Servable StandardSchema StandardSchemaIssue StandardSchemaResult
      StreamNames Streamed StreamsAs ThrowsErrors Typed Unusable WithMsgpack implement`,
  },
  "./workers": {
    reason: "the pool: who only calls does not load it",
    names: `AnyContract Body CallArguments CallContext Codec Contract HistogramSummary InputOf
      ItemOf OutputOf PermissionScope PlainNames PoolCloseOptions PoolEvent PoolHandler
      PoolHandlers PoolStats PoolStreamOptions ProcedureLimits ProcedureName ProcessOptions
      ProcessPermissions RunOptions StreamNames WithMsgpack WorkerPool WorkerPoolOptions`,
  },
  "./workers/runtime": {
    reason: "all that a worker's file loads",
    names: "Body CallContext Codec ExposeOptions Handler PoolHandler Servable WorkerHandler expose",
  },
  "./workers/transfer": {
    reason: "for both sides of a pool, neither of which is to load the other's entry",
    names: "transfer",
  },
  "./workers/fibonacci": {
    reason: "the service of the tutorial, which runs without a file of the reader's own",
    names: "FibonacciContract",
  },
  "./current-call": {
    reason: "for handlers of servers and of workers, neither of which is to load the other's entry",
    names: "CurrentCall HeaderValue MessageHeaders TraceIds currentCall",
  },
  "./schema": {
    reason: "checked procedures, in servers and in workers",
    names: `CallArguments CallContext CheckedProcedure ErrorDetails ErrorSchemas GivenFor
      Middleware MiddlewareCall MiddlewareResult ProcedureMaker ProcedureContext ProcedureSchemas ReportsProgress SchemaInput SchemaOutput SentBy StandardSchema
      StandardSchemaIssue StandardSchemaResult Streamed ThrowsErrors ToldBy Typed ValidationDetails
      ValidationIssue procedure`,
  },
  "./msgpack": {
    reason: "a codec that most do without",
    names: "Body Codec msgpackCodec",
  },
  "./cli": {
    reason: "the command line, which is run and not imported",
    names: "",
  },
  "./control": {
    reason: "for operators: neither callers nor servers load it",
    names:
      `ActiveOptions Answer BrokerState BrokerUrl ConnectOptions ControlTarget DrainOptions ProcedureInfo ProcedureStats
      QueueState RequestReport RpcControl RpcControlOptions RpcServerStats ServerActive ServerChange
      ServerCondition ServerIdentity ServerInfo ServerPing ServerStats ServerWhy TlsOptions Whereabouts`,
  },
  "./definitions": {
    reason: "for operators, who run it before anything else",
    names: `BrokerDefinitions DefinitionsOptions DelayedRetry ServiceDefinition UserDefinition
      brokerDefinitions`,
  },
  "./describe": {
    reason: "JSON Schema and OpenAPI, for who hands a contract to others",
    names: "OpenApiDocument OpenApiInfo ProcedureDescription ProcedureInfo describe openApi",
  },
  "./parked": {
    reason: "for administrators: neither callers nor servers load it",
    names: `BrokerUrl ConnectOptions DropCounts ListParkedOptions ParkedDetails ParkedRequest
      ParkedRequests ParkedRequestsOptions ParkedSelection RedriveCounts TlsOptions`,
  },
  "./idempotency": {
    reason: "what servers share their keys by: SQLite is loaded by who uses it",
    names: `FileStore IdempotencyClaim IdempotencyOutput IdempotencyState IdempotencyStore
      MemoryStore`,
  },
  "./log": {
    reason: "lines of events, for programs that want them",
    names: "LogEventsOptions LoggedEvent logEvents",
  },
  "./health": {
    reason: "probes: nobody has a port or a file who does not ask for it",
    names: `CallHistory HealthCheck HealthHandler HealthHandlerOptions HealthParts HealthReport
      HealthRequestInfo HeartbeatFile HeartbeatFileOptions MonitoredPool MonitoredService
      RpcClientEvent RpcServerEvent RpcState health healthHandler`,
  },
  "./metrics": {
    reason: "numbers for Prometheus: nobody counts who does not ask for it",
    names: "MeasuredPart MeasuredParts RpcMetrics metricsText",
  },
  "./otel": {
    reason: "spans and metrics of OpenTelemetry, whose package nobody else loads",
    names: `BrokerNode CallContext CallStep ClientInterceptor InstrumentCallsOptions
      InstrumentRequestsOptions InterceptedCall InterceptedReply InterceptedRequest MeasuredPart
      MeasuredParts NamedCallback NamedReply RpcClientEvent RpcServerEvent ServerInterceptor SettledOutcome
      instrumentCallback instrumentCalls instrumentEvents instrumentHandler
      instrumentRequests instrumentStats`,
  },
  "./resilience": {
    reason: "policies that nobody has who does not ask for them",
    names: `AnyContract BreakerEvent BreakerOptions BulkheadEvent BulkheadOptions CallArguments
      CallContext CallOptions CallPhase CallReport CircuitOpenDetails Contract InputOf OutputOf
      PlainNames ResilienceEvent ResilienceOptions RetryEvent RetryOptions
      RpcError RpcErrorCode withResilience`,
  },
  "./testing": {
    reason: "a broker within a test, or none",
    names:
      `ArgumentTypes BrokerLimits Caller ChannelClosePoint Clock ClockTimer Compat ConnectionInfo ConnectionLimits
      DropKind DropPoint FaultScope Faults FieldTable FieldValue IntegerType METHODS Method MethodArguments
      MethodDirection MethodEvent MethodLog MethodName MethodOf QueueInfo SystemClock TestBroker
      TestBrokerOptions UserOptions UserPermissions VirtualClock FakeHandler FakeHandlers
      LocalClientOptions fakeClient localClient`,
  },
  "./testing/main": {
    reason: "the same broker without a program: `deno run jsr:@warren/rpc/testing/main`",
    names: "",
  },
  "./create": {
    reason: "a program, which `deno create` runs: whoever has a service loads none of it",
    names: "",
  },
};

/** All names that a module exports, those of other modules included. */
function namesOf(path: string): string[] {
  const text = textOf(path);
  const again = applyRule(path, text, (report) => ({
    ExportSpecifier: ({ exported }) => report("name" in exported ? exported.name : exported.value),
  }));
  return [...new Set([...exportedNames(path, text), ...again.map(({ message }) => message)])];
}

function pathOf(entry: string): string {
  return new Map(Object.entries(config.exports)).get(entry)?.slice(2) ?? "";
}

Deno.test("Every entry of the package is known", () => {
  assertEquals(Object.keys(config.exports).sort(), Object.keys(ENTRIES).sort());
});

for (const [entry, { names, reason }] of Object.entries(ENTRIES)) {
  Deno.test(`"${entry}" exports what it is for: ${reason}`, () => {
    const expected = names.split(/\s+/).filter((name) => name !== "");
    assertEquals(namesOf(pathOf(entry)).sort(), expected.sort());
  });
}

Deno.test("The main entry exports no more than callers and servers need", () => {
  // The limits of JSON took two: createJsonCodec() and its options; those of keys one. Six are in the compiler's messages
  // about handlers and calls: AnyHandlers, Servable, PlainNames, StreamNames, Streamed, Unusable.
  // Headers took three,
  // interceptors five, and three for what they are told of the way; keys one, times two.
  // What clients and servers are at took one: RpcState.
  // Sixteen are contracts by properties, with errors: implement() and safe(), and their types.
  // Several queues took two: their options, and shardOf().
  // Progress with a type took one, and calls whose input may be left out one.
  // Batching took one: its options. Caller is what all clients and their doubles have in common.
  assertLessOrEqual(namesOf("mod.ts").length, 107);
});

Deno.test("What an optional entry holds is loaded by nobody else", async () => {
  const graph = await ImportGraph.load();
  for (const path of ["mod.ts", "workers/mod.ts", "workers/runtime.ts"]) {
    const loaded = [...graph.closureOf(path)].filter((path) => /^(extras|testing)\//.test(path));
    assertEquals(loaded, [], path);
  }
});
