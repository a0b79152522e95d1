import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A batch is verified and its replay refused. */
public final class Test {
    private static final String GOOD = "/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";

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
        gateway.close();
        expect(refused(gateway::close).contains("closed"), "another message");
        System.out.println("java: a batch verified, its replay refused");
    }
}
