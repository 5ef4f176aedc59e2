import { alert } from "./zh/alert";
import { desk } from "./zh/desk";
import { devices } from "./zh/devices";
import { diagnosis } from "./zh/diagnosis";
import { figures } from "./zh/figures";
import { live } from "./zh/live";
import { map } from "./zh/map";
import { nodes } from "./zh/nodes";
import { record } from "./zh/record";
import { refusals } from "./zh/refusals";
import { registers } from "./zh/registers";
import { screen } from "./zh/screen";
import { shell } from "./zh/shell";
import { retention } from "./zh/retention";
import { upkeep } from "./zh/upkeep";
import { words } from "./zh/words";

/** 中文是母本：英文字典的键由它的类型决定。 */
export const zh = { ...alert, ...desk, ...devices, ...diagnosis, ...figures, ...live, ...map, ...nodes, ...record, ...refusals, ...registers, ...screen, ...shell, ...retention, ...upkeep, ...words };

export type MessageKey = keyof typeof zh;
