import { QueryClient } from "@tanstack/react-query";
import createFetchClient, { type Middleware } from "openapi-fetch";
import createQueryHooks from "openapi-react-query";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type ProblemDetails = Schemas["ProblemDetails"];

/** The path under which the studio is shown, with a slash at its end. */
export const ROOT = document.querySelector<HTMLMetaElement>('meta[name="studio-root"]')?.content ?? "/";

/** An answer that says why a request failed. */
export class ApiError extends Error {
  constructor(readonly problem: ProblemDetails) {
    super(problem.detail);
    this.name = problem.title;
  }
}

/** The workspace that the address names; null for the server's first one. */
export function currentWorkspace(): string | null {
  return new URLSearchParams(window.location.search).get("workspace");
}

const problems: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return response;
    if (response.status === 401) void queries.invalidateQueries({ queryKey: ["get", "/api/v1/session"] });
    throw new ApiError(await problemOf(response));
  },
};

async function problemOf(response: Response): Promise<ProblemDetails> {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/problem+json")) return (await response.json()) as ProblemDetails;
  const detail = `the server answered ${response.status} to ${new URL(response.url).pathname}`;
  return { title: "ServerError", status: response.status, detail, problems: [] };
}

export const api = createFetchClient<paths>({
  baseUrl: new URL(ROOT, window.location.href).href.replace(/\/$/, ""),
  headers: { "X-Studio": "1" }, // no other site can set it, so that no other site can act for the user
  querySerializer: (query) => searchOf(query as Search),
});
api.use(problems);

/** `$api.useQuery("get", "/api/v1/runs/{run_id}", { params: { path: { run_id } } })` and the like. */
export const $api = createQueryHooks(api);

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always", // a studio on this machine answers without a network, too
      staleTime: 2_000,
      retry: (count, error) => !(error instanceof ApiError) && count < 3,
      refetchOnWindowFocus: true,
      refetchOnReconnect: true,
    },
    mutations: { networkMode: "always" },
  },
});

type Search = Record<string, string | number | boolean | null | undefined | string[]>;

/** What follows the question mark of a request, the shown workspace included. */
function searchOf(search: Search): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (Array.isArray(value)) for (const one of value) query.append(name, one);
    else if (value !== undefined && value !== null) query.set(name, String(value));
  }
  const workspace = currentWorkspace();
  if (workspace !== null && !query.has("workspace")) query.set("workspace", workspace);
  return query.toString();
}

/** The address of something that an element loads itself, such as an image. */
export function addressOf(path: string, search: Search = {}): string {
  const text = searchOf(search);
  return `${ROOT}api/v1/${path}${text ? `?${text}` : ""}`;
}
