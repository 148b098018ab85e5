// Where a photo comes from: dropped, pasted, chosen, or seen by the camera.
import { useRef, useState } from "react";
import { Button } from "../../components/controls";
import { usePaste } from "./predicting";
import styles from "./try.module.css";
import { canUseCamera, type Webcam } from "./webcam";

export function Source({ onPhoto, webcam, rate }: {
  onPhoto: (blob: Blob, name: string) => void;
  webcam: Webcam;
  rate: number | null;
}) {
  const [over, setOver] = useState(false);
  const file = useRef<HTMLInputElement>(null);
  const capture = useRef<HTMLInputElement>(null);
  const { attach, isOn, problem, start, stop } = webcam;
  usePaste(onPhoto);
  const take = (files: FileList | null) => {
    const first = files?.[0];
    if (first !== undefined) onPhoto(first, first.name);
  };
  return (
    <div
      className={styles.drop}
      data-over={over}
      role="group"
      aria-label="photo"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files);
      }}
    >
      {isOn ? (
        <>
          <span role="status" className="numbers">
            {rate === null ? "The camera runs" : `${rate.toFixed(1)} images/s`}
          </span>
          <Button onPress={stop}>Stop the camera</Button>
        </>
      ) : (
        <>
          <span>Drop a photo here, paste one, or</span>
          <Button kind="primary" onPress={() => file.current?.click()}>
            Choose a photo
          </Button>
          <Button onPress={() => (canUseCamera() ? void start() : capture.current?.click())}>
            {canUseCamera() ? "Use the camera" : "Take a photo"}
          </Button>
        </>
      )}
      {problem !== null && <p role="alert">{problem}</p>}
      <input ref={file} type="file" accept="image/*" hidden aria-label="photo file" onChange={(event) => take(event.target.files)} />
      <input ref={capture} type="file" accept="image/*" capture="environment" hidden aria-label="photo of the camera" onChange={(event) => take(event.target.files)} />
      <video ref={attach} className={styles.video} muted playsInline aria-hidden tabIndex={-1} />
    </div>
  );
}
