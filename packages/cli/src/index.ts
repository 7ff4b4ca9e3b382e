/**
 * The `nagare` command: train, predict, serve, inspect, devices.
 *
 * @packageDocumentation
 */
export { main } from "./main.ts";
