import { alertCalls } from "./alerts";
import { deliveryCalls } from "./deliveries";
import { deviceCalls } from "./devices";
import { diagnosisCalls } from "./diagnosis";
import { figureCalls } from "./figures";
import { handoverCalls } from "./handovers";
import { liveCalls } from "./live";
import { maintenanceCalls } from "./maintenance";
import { mapCalls } from "./map";
import { preferenceCalls } from "./preferences";
import { recordCalls } from "./record";
import { reportCalls } from "./reports";
import { registerCalls } from "./registers";
import { createCalls, type ClientEvents } from "./request";
import { retentionCalls } from "./retention";
import { sessionCalls } from "./session";

export { Problem, randomKey } from "./request";
export type Client = ReturnType<typeof createClient>;

/** Everything the pages ask the service, one file for each room of the console. */
export function createClient(events: ClientEvents) {
  const calls = createCalls(events);
  return {
    ...sessionCalls(calls), ...alertCalls(calls), ...deviceCalls(calls), ...diagnosisCalls(calls), ...deliveryCalls(calls), ...figureCalls(calls), ...handoverCalls(calls), ...liveCalls(calls), ...maintenanceCalls(calls), ...mapCalls(calls), ...preferenceCalls(calls), ...recordCalls(calls), ...registerCalls(calls), ...reportCalls(calls), ...retentionCalls(calls),
  };
}
