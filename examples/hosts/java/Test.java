import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A batch is verified and its replay refused. */
public final class Test {
    private static final String GOOD = "/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";
    private static final byte[] BODY = "{\"nonce\":\"b1\",\"partnerId\":\"p10001\",\"timestamp\":\"1700000000\",\"payee\":\"王\"}".getBytes(StandardCharsets.UTF_8);
    private static final String POSTED = "/pay?sign=9e3b3b16e168f31da41848cd1b41d4ec";

    private static Portcullis.Request ask(String target) {
        return new Portcullis.Request("GET", target, List.of("Host", "api.example"), new byte[0], "203.0.113.7", 1700000000000L);
    }

    private static void expect(boolean what, Object seen) {
        if (!what) throw new AssertionError(seen);
    }

    private static String refused(Runnable call) {
        try {
            call.run();
        } catch (IllegalStateException refused) {
            return refused.getMessage();
        }
        throw new AssertionError("taken");
    }

    public static void main(String[] arguments) throws Exception {
        Portcullis gateway = new Portcullis(Files.readAllBytes(Path.of("../config.json")));
        var verdicts = gateway.verify(List.of(ask(GOOD), ask(GOOD.replace("abc123", "abc124")), ask(GOOD), ask("/token")));
        expect(verdicts.get(0).equals(new Portcullis.Verdict("ok", 200, "0000", "p10001", "k1")), verdicts);
        expect(verdicts.get(1).reason().equals("bad_signature") && verdicts.get(3).reason().equals("missing_signature"), verdicts);
        expect(verdicts.get(2).reason().equals("replayed") && verdicts.get(2).status() == 409, verdicts);
        expect(refused(() -> gateway.load("[]".getBytes())).contains("expected an object"), "another message");
        // Beside a request without headers, one with three, a body, and texts that are not ASCII.
        var bare = new Portcullis.Request("GET", "/token", List.of(), new byte[0], "", 0);
        var headers = List.of("X-Note", "早", "Host", "api.example", "Content-Type", "application/json");
        var posted = new Portcullis.Request("POST", POSTED, headers, BODY, "::1", 1700000000000L);
        verdicts = gateway.verify(List.of(bare, posted, posted));
        expect(verdicts.get(1).reason().equals("ok") && verdicts.get(2).reason().equals("replayed"), verdicts);
        gateway.close();
        expect(refused(gateway::close).contains("closed"), "another message");
        System.out.println("java: a batch verified, its replay refused");
    }
}
