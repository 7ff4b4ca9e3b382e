/** Profiles: what is recorded, and what it amounts to. */
export type { ChromeTrace, TraceEvent } from "./chromeTrace.ts";
export { type Profile, type Profiled, profile } from "./profile.ts";
export { currentRecording, recorded } from "./recording.ts";
export { type ProfileRow, shareOfPeak } from "./rows.ts";
