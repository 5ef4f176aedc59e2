import { BASE, query } from "./request";
import type { Calls } from "./request";
import type { Page, Role, Session } from "./types";

/** A login in force. `this`: the one of this browser. */
export interface LoginInForce {
  id: string;
  user: string;
  began_at: string;
  seen_at: string;
  expires_at: string;
  this: boolean;
}

export interface ConsoleUser {
  name: string;
  role: Role;
  areas: string[];
  disabled: boolean;
  created_at: string;
}

/** `password`: where one was made; it is shown once. */
export type UserGiven = ConsoleUser & { password: string | null };

export interface UserChange {
  role?: Role;
  areas?: string[];
  disabled?: boolean;
  new_password?: true;
}

export function sessionCalls({ request }: Calls) {
  return {
    session: () => request<Session>("GET", "/session"),
    login: (username: string, password: string) => request<Session>("POST", "/session", { username, password }),
    logout: () => request<void>("DELETE", "/session"),
    logins: () => request<Page<LoginInForce>>("GET", "/sessions"),
    endLogin: (id: string) => request<void>("DELETE", `/sessions/${encodeURIComponent(id)}`),
    users: () => request<Page<ConsoleUser>>("GET", "/users"),
    addUser: (user: { name: string; role: Role; areas: string[] }) => request<UserGiven>("POST", "/users", user),
    changeUser: (name: string, change: UserChange) => request<UserGiven>("PATCH", `/users/${encodeURIComponent(name)}`, change),
    streamUrl: (lastEventId: string | null) => BASE + "/stream" + query({ last_event_id: lastEventId }),
  };
}
