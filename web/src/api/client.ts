// How does a page ask the service? `await answer(api.GET("/v1/songs", { params: { query: { q } } }))`
import createClient from "openapi-fetch";
import { authorized } from "../session/session";
import { problemOf } from "./problems";
import type { components, paths } from "./schema";

/** The bodies of the API by their names: `Schemas["SongBody"]`. */
export type Schemas = components["schemas"];

/** Every route of the service, with types; requests carry the access token and refresh it when needed. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: authorized });

/** The body of an answer; throws a `ProblemError` for everything else. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw problemOf(response, error);
  return data as T;
}
