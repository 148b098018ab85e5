// The webcam: one frame after the other, each predicted before the next one is taken.
import { useCallback, useEffect, useRef, useState } from "react";

const LONGEST = 640; // pixels that a frame is sent with

/** Whether the browser lets this page see a camera: it does on this machine and over HTTPS. */
export const canUseCamera = () => window.isSecureContext && "mediaDevices" in navigator;

export interface Webcam {
  attach: (element: HTMLVideoElement | null) => void; // the element that shows the stream
  isOn: boolean;
  problem: string | null;
  start: () => Promise<void>;
  stop: () => void;
  frame: () => Promise<Blob | null>;
}

export function useWebcam(): Webcam {
  const video = useRef<HTMLVideoElement | null>(null);
  const stream = useRef<MediaStream | null>(null);
  const [isOn, setOn] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const attach = useCallback((element: HTMLVideoElement | null) => {
    video.current = element;
  }, []);
  const stop = useCallback(() => {
    for (const track of stream.current?.getTracks() ?? []) track.stop();
    stream.current = null;
    setOn(false);
  }, []);
  useEffect(() => stop, [stop]);
  const start = async () => {
    setProblem(null);
    try {
      stream.current = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      const element = video.current;
      if (element === null) return stop();
      element.srcObject = stream.current;
      await element.play();
      setOn(true);
    } catch (error) {
      stop();
      setProblem(cameraProblem(error));
    }
  };
  const frame = useCallback(async () => {
    const element = video.current;
    if (element === null || element.videoWidth === 0) return null;
    const scale = Math.min(1, LONGEST / Math.max(element.videoWidth, element.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(element.videoWidth * scale);
    canvas.height = Math.round(element.videoHeight * scale);
    canvas.getContext("2d")?.drawImage(element, 0, 0, canvas.width, canvas.height);
    return new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
  }, []);
  return { attach, isOn, problem, start, stop, frame };
}

function cameraProblem(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return "The browser does not let this page use the camera; allow it beside the address.";
  if (name === "NotFoundError") return "No camera was found.";
  return `The camera cannot be used: ${error instanceof Error ? error.message : String(error)}`;
}

/** Call something again and again while it is wanted: the next call begins when the last one has ended. */
export function useLoop(wanted: boolean, step: () => Promise<unknown>): number | null {
  const [rate, setRate] = useState<number | null>(null);
  const latest = useRef(step);
  useEffect(() => {
    latest.current = step;
  });
  useEffect(() => {
    if (!wanted) return;
    let goesOn = true;
    const ends: number[] = [];
    const run = async () => {
      while (goesOn) {
        if (document.hidden) {
          await new Promise((resolve) => window.setTimeout(resolve, 300));
          continue;
        }
        await latest.current();
        ends.push(performance.now());
        if (ends.length > 11) ends.shift();
        setRate(rateOf(ends));
        await new Promise((resolve) => window.requestAnimationFrame(resolve));
      }
    };
    void run();
    return () => {
      goesOn = false;
      setRate(null);
    };
  }, [wanted]);
  return rate;
}

/** Events per second, from the times in milliseconds at which they ended. */
export function rateOf(ends: number[]): number | null {
  const first = ends[0];
  const last = ends.at(-1);
  if (first === undefined || last === undefined || last === first) return null;
  return (1000 * (ends.length - 1)) / (last - first);
}
