// What the pages of edits ask for, and what becomes old when something was changed.
import { useParams } from "@tanstack/react-router";
import { $api, currentWorkspace, queries } from "../../api/client";
import type { Place } from "./draft";

/** The version that a page is about. */
export function usePlace(): Place {
  const { name, version } = useParams({ strict: false });
  return { workspace: currentWorkspace() ?? "", name: name ?? "", number: Number(version ?? 0) };
}

/** The edits of a version that stand, the images of a page of them. */
export function useEdits({ name, number }: Place, limit: number) {
  const params = { path: { name, number }, query: { limit } };
  return $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/edits", { params }, { placeholderData: (old) => old });
}

/** Read everything about data again, other than pixels. */
export function renew() {
  return queries.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[1]).includes("/datasets") });
}
