package judge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

func sign256(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
