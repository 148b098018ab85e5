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

const conventions: Middleware = {
  onRequest({ request }) {
    const url = new URL(request.url);
    const workspace = currentWorkspace();
    if (workspace !== null && !url.searchParams.has("workspace")) url.searchParams.set("workspace", workspace);
    const changed = new Request(url, request);
    changed.headers.set("X-Studio", "1"); // no other site can set it, so that no other site can act for the user
    return changed;
  },
  async onResponse({ response }) {
    if (response.ok) return response;
    throw new ApiError(await problemOf(response));
  },
};

async function problemOf(response: Response): Promise<ProblemDetails> {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/problem+json")) return (await response.json()) as ProblemDetails;
  const detail = `the server answered ${response.status} to ${new URL(response.url).pathname}`;
  return { title: "ServerError", status: response.status, detail, problems: [] };
}

export const api = createFetchClient<paths>({ baseUrl: new URL(ROOT, window.location.href).href.replace(/\/$/, "") });
api.use(conventions);

/** `$api.useQuery("get", "/api/v1/runs/{run_id}", { params: { path: { run_id } } })` and the like. */
export const $api = createQueryHooks(api);

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      retry: (count, error) => !(error instanceof ApiError) && count < 3,
      refetchOnWindowFocus: true,
    },
  },
});

/** The address of something that an element loads itself, such as an image. */
export function addressOf(path: string, search: Record<string, string | number | undefined> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) if (value !== undefined) query.set(name, String(value));
  const workspace = currentWorkspace();
  if (workspace !== null) query.set("workspace", workspace);
  const text = query.toString();
  return `${ROOT}api/v1/${path}${text ? `?${text}` : ""}`;
}
