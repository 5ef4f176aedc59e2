import { reactive, ref } from "vue";
import { Problem, randomKey } from "../api/client";
import type { Camera, Channel, FoundDevice, NewCamera } from "../api/types";
import type { Console } from "./console";

export const ALL_CHANNELS = "*";

/** A device on its way to becoming a camera. */
export interface Candidate {
  id: number;
  host: string;
  port: number;
  tls: boolean;
  name: string;
  scene: string;
  address: string;
  area: string;
  /** The law forbids cameras inside some places, and the name sounded like one: then it has to be said where this one stands. */
  doubted: boolean;
  type: string;
  lon: string;
  lat: string;
  channels: Channel[];
  channel: string;
  state: "waiting" | "busy" | "ok" | "failed";
  failure: string;
  /** Its login was refused, whatever language that is told in. */
  refused: boolean;
  cameras: Camera[];
  /** A request whose answer was lost is sent again under its own key, so that it happens once. */
  unanswered: { body: string; key: string } | null;
}

export type Enrolments = ReturnType<typeof createEnrolments>;

/** Searching, choosing and enrolling; the credential is an argument and is never kept. */
export function createEnrolments(desk: Console) {
  const found = ref<FoundDevice[] | null>(null);
  const searching = ref(false);
  const failure = ref("");
  const chosen = ref<Candidate[]>([]);
  let count = 0;

  function candidate(host: string, port: number, tls: boolean, name: string): Candidate {
    count += 1;
    return reactive({
      id: count, host, port, tls, name, scene: "street", address: "", area: "", doubted: false, type: "", lon: "", lat: "", channels: [], channel: "", state: "waiting", failure: "", refused: false, cameras: [], unanswered: null,
    });
  }

  function indexOf(device: Pick<FoundDevice, "host" | "port">): number {
    return chosen.value.findIndex((one) => one.host === device.host && one.port === device.port);
  }

  function order(one: Candidate, username: string, password: string): NewCamera {
    const place = {
      ...optional("address", one.address), ...optional("area_code", one.area), ...optional("type", one.type),
      ...(String(one.lon) === "" || String(one.lat) === "" ? {} : { lon: Number(one.lon), lat: Number(one.lat) }),
    };
    return {
      ...optional("name", one.name),
      scene: one.scene,
      ...(Object.keys(place).length > 0 ? { place } : {}),
      onvif: {
        host: one.host,
        port: one.port,
        ...(one.tls ? { tls: true } : {}),
        ...(username === "" ? {} : { username, password }),
        ...(one.channel === "" || one.channel === ALL_CHANNELS ? {} : { source: one.channel }),
      },
      ...(one.channel === ALL_CHANNELS ? { channels: "all" as const } : {}),
    };
  }

  async function enrol(one: Candidate, username: string, password: string): Promise<void> {
    one.state = "busy";
    one.failure = "";
    one.refused = false;
    const wanted = order(one, username, password);
    const body = JSON.stringify({ ...wanted, onvif: { ...wanted.onvif, password: "" } });
    if (one.unanswered === null || one.unanswered.body !== body) one.unanswered = { body, key: randomKey() };
    try {
      const answer = await desk.client.enrol(wanted, one.unanswered.key);
      one.cameras = "items" in answer ? answer.items : [answer];
      one.unanswered = null;
      one.state = "ok";
      for (const device of found.value ?? []) if (device.host === one.host && device.port === one.port) device.cameras = one.cameras.map((camera) => camera.id);
    } catch (error) {
      one.state = "failed";
      one.failure = desk.sentence((error as Error).message);
      one.refused = refusedLogin((error as Error).message);
      if (error instanceof Problem && error.status !== 0) {
        one.unanswered = null;
        one.doubted ||= error.message.includes("place.type");
        if (error.channels.length > 0) one.channels = error.channels;
      }
    }
  }

  return {
    found,
    searching,
    failure,
    chosen,
    isChosen: (device: FoundDevice) => indexOf(device) >= 0,
    async search(ranges: string[]): Promise<void> {
      searching.value = true;
      failure.value = "";
      try {
        const items = (await desk.client.discover(ranges)).items;
        // What can be added is what was searched for.
        found.value = [...items.filter((one) => one.cameras.length === 0), ...items.filter((one) => one.cameras.length > 0)];
      } catch (error) {
        failure.value = desk.sentence((error as Error).message);
      } finally {
        searching.value = false;
      }
    },
    toggle(device: FoundDevice): void {
      const at = indexOf(device);
      if (at >= 0) chosen.value.splice(at, 1);
      else chosen.value.push(candidate(device.host, device.port, device.tls, device.name ?? ""));
    },
    add(host: string, port: number, tls: boolean): void {
      if (indexOf({ host, port }) < 0) chosen.value.push(candidate(host, port, tls, ""));
    },
    drop(one: Candidate): void {
      chosen.value.splice(chosen.value.indexOf(one), 1);
    },
    /** One after the other: a wrong password is then tried at one device, not at all of them. */
    async enrolAll(username: string, password: string): Promise<void> {
      for (const one of chosen.value) {
        if (one.state === "ok") continue;
        await enrol(one, username, password);
        if (one.refused) break;
      }
    },
  };
}

/** What the others would be refused for, too. */
function refusedLogin(sentence: string): boolean {
  return / refuses the user name or the password|locked out/.test(sentence);
}

function optional<K extends string>(key: K, text: string): Partial<Record<K, string>> {
  return text.trim() === "" ? {} : ({ [key]: text.trim() } as Record<K, string>);
}
