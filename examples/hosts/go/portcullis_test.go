package portcullis

import (
	"os"
	"strings"
	"testing"
)

const good = "/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589"

func ask(target string) Request {
	return Request{Method: "GET", Target: target, ClientIP: "203.0.113.7", Headers: [][2]string{{"Host", "api.example"}}, ReceivedAtMs: 1700000000000}
}

func TestABatchIsVerifiedAndItsReplayRefused(t *testing.T) {
	document, err := os.ReadFile("../config.json")
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := Open(document)
	if err != nil {
		t.Fatal(err)
	}
	verdicts, err := gateway.Verify([]Request{ask(good), ask(strings.Replace(good, "abc123", "abc124", 1)), ask(good), ask("/token")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"ok", "bad_signature", "replayed", "missing_signature"} {
		if verdicts[i].Reason != want {
			t.Errorf("request %d: %+v, expected %s", i, verdicts[i], want)
		}
	}
	if verdicts[0].Code != "0000" || verdicts[0].AppID != "p10001" || verdicts[2].Status != 409 {
		t.Errorf("%+v", verdicts)
	}
	if err := gateway.Load([]byte("[]")); err == nil || !strings.Contains(err.Error(), "expected an object") {
		t.Errorf("a bad document: %v", err)
	}
	if _, err := Open([]byte("{")); err == nil {
		t.Error("half a document was taken")
	}
	if err := gateway.Close(); err != nil {
		t.Error(err)
	}
	if gateway.Close() == nil {
		t.Error("closed twice")
	}
}
