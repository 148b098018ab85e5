import { useRef, useState } from "react";
import { DropZone, ProgressBar } from "react-aria-components";
import { Button } from "../../components/controls";
import { count } from "../../components/format";
import { Problem } from "../../components/states";
import { bytes } from "./ChoosePlace";
import styles from "./data.module.css";
import { upload, type Chosen, type Sent } from "./upload";

const named = (file: File): Chosen => ({ file, path: file.webkitRelativePath || file.name });

/** Files, a folder or an archive of the browser's machine. */
export function UploadFiles({ onDone }: { onDone: (id: string) => void }) {
  const folder = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const stop = useRef<AbortController>(null);
  const [sent, setSent] = useState<Sent | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const start = async (chosen: Chosen[]) => {
    const first = chosen[0];
    if (first === undefined) return;
    setFault(null);
    setSent({ bytes: 0, of: 1, files: 0 });
    stop.current = new AbortController();
    try {
      onDone(await upload(first.path.split("/")[0] ?? "upload", chosen, setSent, stop.current.signal));
    } catch (error) {
      if (!stop.current.signal.aborted) setFault(error);
    }
    setSent(null);
  };
  if (sent !== null)
    return (
      <div className={styles.sending}>
        <ProgressBar aria-label="sending" value={sent.bytes} maxValue={Math.max(sent.of, 1)}>
          {({ percentage }) => (
            <>
              <span>
                {bytes(sent.bytes)} of {bytes(sent.of)}, {count(sent.files, "file")} sent
              </span>
              <span className={styles.track}>
                <span style={{ width: `${percentage}%` }} />
              </span>
            </>
          )}
        </ProgressBar>
        <Button kind="quiet" onPress={() => stop.current?.abort()}>
          Cancel
        </Button>
      </div>
    );
  return (
    <div className="stack">
      <DropZone
        className={styles.drop ?? ""}
        onDrop={(event) => {
          const native = event as unknown as { items: unknown[] };
          void dropped(native.items).then(start, setFault);
        }}
      >
        <p>Drop a folder, a zip or tar archive, or images with their labels here</p>
        <div className="line">
          <Button onPress={() => folder.current?.click()}>Choose a folder</Button>
          <Button onPress={() => files.current?.click()}>Choose files</Button>
        </div>
      </DropZone>
      <input
        ref={folder} type="file" hidden multiple aria-label="folder" data-testid="folder"
        {...{ webkitdirectory: "" }}
        onChange={(event) => void start([...(event.target.files ?? [])].map(named))}
      />
      <input
        ref={files} type="file" hidden multiple aria-label="files" data-testid="files"
        onChange={(event) => void start([...(event.target.files ?? [])].map(named))}
      />
      <p className="muted small">The files are kept below the workspace on this server; nothing is sent elsewhere.</p>
      {fault !== null && <Problem error={fault} />}
    </div>
  );
}

interface DroppedFile {
  kind: "file";
  name: string;
  getFile: () => Promise<File>;
}
interface DroppedFolder {
  kind: "directory";
  name: string;
  getEntries: () => AsyncIterable<Dropped>;
}
type Dropped = DroppedFile | DroppedFolder;

/** The files of what was dropped, those of folders with their paths. */
async function dropped(items: unknown[], below = ""): Promise<Chosen[]> {
  const found: Chosen[] = [];
  for (const item of items as Dropped[]) {
    if (item.kind === "file") found.push({ file: await item.getFile(), path: `${below}${item.name}` });
    if (item.kind === "directory") {
      const inside: Dropped[] = [];
      for await (const entry of item.getEntries()) inside.push(entry);
      found.push(...(await dropped(inside, `${below}${item.name}/`)));
    }
  }
  return found;
}
