// Sends files to the server in parts, a few at a time, so that a large one shows how far it is.
import { addressOf, api, ApiError, type ProblemDetails } from "../../api/client";

export interface Chosen {
  file: File;
  path: string; // below what was chosen, with forward slashes
}

export interface Sent {
  bytes: number;
  of: number;
  files: number;
}

const PART = 8 * 2 ** 20;
const AT_ONCE = 4;

/** Whether a file is of use: hidden files and those of the operating system are not sent. */
export function isSent({ path }: Chosen): boolean {
  return !path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX" || part === "Thumbs.db");
}

/** Send files, and return the upload's id; `told` is called after each part. */
export async function upload(
  name: string,
  chosen: Chosen[],
  told: (sent: Sent) => void,
  signal: AbortSignal,
): Promise<string> {
  const files = chosen.filter(isSent);
  const of = files.reduce((sum, { file }) => sum + file.size, 0);
  if (files.length === 0) throw new Error("Nothing that could be sent was chosen.");
  const { data } = await api.POST("/api/v1/uploads", { body: { name, bytes: of, files: files.length }, signal });
  if (data === undefined) throw new Error("The server did not begin the upload.");
  const sent: Sent = { bytes: 0, of, files: 0 };
  const rest = [...files];
  const work = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      await send(data.id, next, signal, (size) => told({ ...Object.assign(sent, { bytes: sent.bytes + size }) }));
      told({ ...Object.assign(sent, { files: sent.files + 1 }) });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } catch (fault) {
    rest.length = 0;
    await api.DELETE("/api/v1/uploads/{upload_id}", { params: { path: { upload_id: data.id } } }).catch(() => undefined);
    throw fault;
  }
  return data.id;
}

async function send(id: string, { file, path }: Chosen, signal: AbortSignal, told: (size: number) => void) {
  let offset = 0;
  do {
    const part = file.slice(offset, offset + PART);
    const answer = await fetch(addressOf(`uploads/${id}/files`, { path, offset }), {
      method: "PUT",
      body: part,
      signal,
      headers: { "X-Studio": "1", "Content-Type": "application/octet-stream" },
    });
    if (!answer.ok) throw new ApiError((await answer.json()) as ProblemDetails);
    offset += part.size;
    told(part.size);
  } while (offset < file.size);
}
