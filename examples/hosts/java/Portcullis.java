import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Verifies batches of requests through JNI. One per thread: the engine is shared by all that were opened from it. */
public final class Portcullis implements AutoCloseable {
    static {
        System.loadLibrary("portcullis_jni");
    }

    /** A request as it was received; headers are names and values in turn. receivedAtMs 0 means now. */
    public record Request(String method, String target, List<String> headers, byte[] body, String clientIp, long receivedAtMs) {}

    /** How a request was judged. */
    public record Verdict(String reason, int status, String code, String appId, String kid) {}

    private long engine;
    private long worker;

    public Portcullis(byte[] document) {
        engine = openEngine(document);
        worker = openWorker(engine);
    }

    /** Puts another document in force; one that is refused changes nothing. */
    public void load(byte[] document) {
        load(engine, document);
    }

    public List<Verdict> verify(List<Request> requests) {
        byte[][][] parts = new byte[requests.size()][][];
        long[] times = new long[requests.size()];
        for (int i = 0; i < parts.length; i++) {
            Request one = requests.get(i);
            List<byte[]> own = new ArrayList<>(List.of(bytes(one.method()), bytes(one.target()), one.body(), bytes(one.clientIp())));
            one.headers().forEach(text -> own.add(bytes(text)));
            parts[i] = own.toArray(new byte[0][]);
            times[i] = one.receivedAtMs();
        }
        String[] texts = verify(worker, parts, times);
        List<Verdict> verdicts = new ArrayList<>();
        for (int i = 0; i < texts.length; i += 5) {
            verdicts.add(new Verdict(texts[i], Integer.parseInt(texts[i + 1]), texts[i + 2], texts[i + 3], texts[i + 4]));
        }
        return verdicts;
    }

    @Override
    public void close() {
        close(engine, worker);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static native long openEngine(byte[] document);
    private static native long openWorker(long engine);
    private static native void load(long engine, byte[] document);
    private static native void close(long engine, long worker);
    private static native String[] verify(long worker, byte[][][] parts, long[] times);
}
