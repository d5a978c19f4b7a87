/** The response with a bounded body. The body fails as soon as it is longer than `left`. Several responses may share one `left`. */
export function bounded(response: Response, left: { bytes: number }): Response {
  if (response.body === null) return response;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      left.bytes -= chunk.byteLength;
      if (left.bytes < 0) controller.error(new Error('the answer is too long'));
      else controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counted), response);
}
