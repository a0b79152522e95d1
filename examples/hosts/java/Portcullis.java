import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Verifies batches of requests through JNI. One per thread: open one in each. */
public final class Portcullis implements AutoCloseable {
    static {
        System.loadLibrary("portcullis_jni");
    }

    /** A request as it was received; headers are names and values in turn. receivedAtMs 0 means now. */
    public record Request(String method, String target, List<String> headers, byte[] body, String clientIp, long receivedAtMs) {}

    /** How a request was judged. */
    public record Verdict(String reason, int status, String code, String appId, String kid) {}

    // The sizes of the structs of portcullis.h; portcullis_jni.c checks them.
    private static final int REQUEST = 208, VERDICT = 280, SLICE = 16;
    private final long engine, worker;

    public Portcullis(byte[] document) {
        engine = openEngine(ByteBuffer.allocateDirect(document.length).put(document));
        worker = openWorker(engine);
    }

    /** Puts another document in force; one that is refused changes nothing. */
    public void load(byte[] document) {
        load(engine, ByteBuffer.allocateDirect(document.length).put(document));
    }

    public List<Verdict> verify(List<Request> requests) {
        // One buffer: the requests, their verdicts, the headers, the texts.
        int first = requests.size() * REQUEST, lines = first + requests.size() * VERDICT;
        int texts = lines + requests.stream().mapToInt(one -> one.headers().size() * SLICE).sum();
        int room = requests.stream().mapToInt(Portcullis::room).sum();
        ByteBuffer buffer = ByteBuffer.allocateDirect(texts + room).order(ByteOrder.nativeOrder()).position(texts);
        long address = address(buffer);
        for (int i = 0; i < requests.size(); i++) {
            Request one = requests.get(i);
            int at = i * REQUEST;
            buffer.putInt(at, REQUEST).putLong(at + 8, one.receivedAtMs()).putLong(at + 48, address + lines).putLong(at + 56, one.headers().size() / 2);
            slice(buffer, address, at + 16, utf8(one.method()));
            slice(buffer, address, at + 32, utf8(one.target()));
            slice(buffer, address, at + 64, one.body());
            slice(buffer, address, at + 80, utf8(one.clientIp()));
            for (String text : one.headers()) lines = slice(buffer, address, lines, utf8(text));
            buffer.putInt(first + i * VERDICT, VERDICT);
        }
        verify(worker, buffer, requests.size());
        List<Verdict> verdicts = new ArrayList<>();
        for (int at = first; verdicts.size() < requests.size(); at += VERDICT) {
            String reason = reasonName(buffer.getShort(at + 4)), code = text(buffer, at + 72);
            verdicts.add(new Verdict(reason, buffer.getShort(at + 6), code, text(buffer, at + 96), text(buffer, at + 168)));
        }
        return verdicts;
    }

    @Override
    public void close() {
        close(engine, worker);
    }

    /** Writes a slice at that place, and its bytes after those that are there; the next place. */
    private static int slice(ByteBuffer buffer, long address, int at, byte[] text) {
        buffer.putLong(at, address + buffer.position()).putLong(at + 8, text.length).put(text);
        return at + SLICE;
    }

    private static String text(ByteBuffer buffer, int at) {
        int end = at;
        while (buffer.get(end) != 0) end++;
        return StandardCharsets.UTF_8.decode(buffer.slice(at, end - at)).toString();
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Bytes that the texts of a request need at most. */
    private static int room(Request one) {
        int headers = one.headers().stream().mapToInt(String::length).sum();
        return 3 * (one.method().length() + one.target().length() + one.clientIp().length() + headers) + one.body().length;
    }

    private static native long openEngine(ByteBuffer document);
    private static native long openWorker(long engine);
    private static native void load(long engine, ByteBuffer document);
    private static native void close(long engine, long worker);
    private static native long address(ByteBuffer buffer);
    private static native void verify(long worker, ByteBuffer buffer, int count);
    private static native String reasonName(int reason);
}
