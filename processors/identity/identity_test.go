package identity_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/identity"
)

func TestPhoneNumbersAreTheSameInEverySpelling(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"16505550100", "16505550100", true},
		{"+1 (650) 555-0100", "16505550100", true},
		{"1.650.555.0100", "16505550100", true},
		{"0016505550100", "16505550100", true},
		{"00 1 650 555 0100", "+16505550100", true},
		{"016505550100", "16505550100", false},
		{"005511987654321", "551187654321", true},
		{"16505550100", "16505550101", false},
		{"16505550100", "1650555010", false},
		// Brazil, with and without the ninth digit.
		{"5511987654321", "551187654321", true},
		{"+55 11 98765-4321", "551187654321", true},
		{"5511987654321", "5521987654321", false},
		{"554791234567", "5547991234567", true}, // WhatsApp leaves the ninth digit out, for any digit behind it
		// Mexico, Argentina.
		{"5215512345678", "525512345678", true},
		{"5491112345678", "541112345678", true},
		{"5215512345678", "545512345678", false},
		// Other countries have no optional digit.
		{"4915123456789", "495123456789", false},
		// Ids that are no phone numbers are never the same phone.
		{"US.1234", "US.1234", false},
		{"120363043211234567@g.us", "120363043211234567@g.us", false},
		{"", "", false},
		{"+", "+", false},
		{"16505550100", "", false},
	} {
		if got := identity.SamePhone([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("SamePhone(%q, %q) = %v", test.a, test.b, got)
		}
		if got := identity.SamePhone([]byte(test.b), []byte(test.a)); got != test.want {
			t.Errorf("SamePhone(%q, %q) = %v", test.b, test.a, got)
		}
	}
}

// The quick look at the ends of two ids decides as their canonical spellings do.
func TestTheSamePhoneHasTheSameCanonicalSpelling(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.Of(t), 2))
	part := func(parts ...string) string { return parts[r.IntN(len(parts))] }
	one := func() string {
		id := part("", "", "00", "+", "0") + part("", "55", "52", "54", "1", "44") + part("", "1", "9", "119")
		for _, c := range part("1187654321", "987654321", "1187654329", "12345", "1") {
			if r.IntN(20) == 0 {
				id += part(" ", "-", ".", "(")
			}
			id += string(c)
		}
		return id + part("", "", "", "1", "9", ")", "x")
	}
	same := 0
	for range 200_000 {
		a, b := one(), one()
		x, okA := identity.Canonical([]byte(a))
		y, okB := identity.Canonical([]byte(b))
		want := okA && okB && x == y
		if got := identity.SamePhone([]byte(a), []byte(b)); got != want {
			t.Fatalf("SamePhone(%q, %q) = %v, their canonical spellings are %q and %q", a, b, got, x, y)
		}
		if want && a != b {
			same++
		}
	}
	if same < 100 {
		t.Errorf("%d pairs of different spellings are one number; the test looks at next to nothing", same)
	}
}

func TestOtherSpellingIsMutualAndTheSamePhone(t *testing.T) {
	for long, short := range map[string]string{
		"5511987654321": "551187654321", "5215512345678": "525512345678", "5491112345678": "541112345678",
	} {
		if got := string(identity.OtherSpelling([]byte(long))); got != short {
			t.Errorf("OtherSpelling(%s) = %q, want %s", long, got, short)
		}
		if got := string(identity.OtherSpelling([]byte("00" + long))); got != short {
			t.Errorf("OtherSpelling(00%s) = %q, want %s", long, got, short)
		}
		if got := string(identity.OtherSpelling([]byte("+" + short))); got != long {
			t.Errorf("OtherSpelling(+%s) = %q, want %s", short, got, long)
		}
		if c, ok := identity.Canonical([]byte(long)); !ok || c != short {
			t.Errorf("Canonical(%s) = %q, %v, want %s", long, c, ok, short)
		}
	}
	for _, one := range []string{"16505550100", "US.1", "", "4915123456789"} {
		if got := identity.OtherSpelling([]byte(one)); got != nil {
			t.Errorf("OtherSpelling(%q) = %q, want none", one, got)
		}
	}
}

func TestAppendedCanonicalSaysWhichSpellingItIs(t *testing.T) {
	for id, want := range map[string]string{
		"005511987654321": "551187654321 true", "00551187654321": "551187654321 false", "5511987654321": "551187654321 true", "+55 11 8765-4321": "551187654321 false", "16505550100": "16505550100 false", "US.1": "US.1 false",
	} {
		canonical, longer := identity.AppendCanonical(nil, []byte(id))
		if got := fmt.Sprintf("%s %v", canonical, longer); got != want {
			t.Errorf("AppendCanonical(%s): %s, want %s", id, got, want)
		}
	}
}

func TestDigitsKeepWhatIsNoPhoneNumber(t *testing.T) {
	for id, want := range map[string]string{
		"+16505550100": "16505550100", "16505550100": "16505550100", "+1 650-555-0100": "16505550100",
		"0016505550100": "16505550100", "+0016505550100": "16505550100", "00 1 (650) 555-0100": "16505550100", "00123": "00123", "00000000": "00000000",
		"5511987654321-1612345678": "5511987654321-1612345678", "US.1234": "US.1234", "US.ENT.1234": "US.ENT.1234", "1203@g.us": "1203@g.us", "": "", "+": "+", "12": "12",
	} {
		if got := string(identity.Digits([]byte(id))); got != want {
			t.Errorf("Digits(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestUserIDsAreToldFromPhoneNumbersAndGroups(t *testing.T) {
	for id, want := range map[string]bool{
		"US.1": true, "br.ENT.99": true, "16505550100": false, "1203@g.us": false, "US.": false, "U1.2": false, "": false,
	} {
		if got := identity.IsUserID([]byte(id)); got != want {
			t.Errorf("IsUserID(%q) = %v", id, got)
		}
	}
}

func TestComparingAllocatesNothing(t *testing.T) {
	a, b := []byte("+55 11 98765-4321"), []byte("551187654321")
	if n := testing.AllocsPerRun(100, func() { identity.SamePhone(a, b) }); n != 0 {
		t.Errorf("SamePhone allocates %v times", n)
	}
}

func TestGroupsAreKnownByTheFormOfTheirIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"120363043211234567@g.us": true, "5511987654321-1612345678@g.us": true, "1@g.us": true, "120363043211234567": true,
		"120363043211234567@G.US": true, "5511987654321-1612345678@G.us": true, "5511987654321-1612345678": true, "16505550100-1612345678": true,
		"Y2FwaV9ncm91cDoxOTUwNTU1MDA3OToxMjAzNjM0MDA2NzI0MjcyOTM5": true,
		"@g.us": false, "16505550100": false, "16505550100@s.whatsapp.net": false, "7@lid": false, "US.13491208655302741918": false, "": false,
		"12036304321123456": false, "12036304321123456x": false, "1203630432112345678": false, "US": false, "@G.US": false, "5511987654321-161234567": false, "5511987654321-2612345678": false,
		"+1-6505550100": false, "55 11 98765-4321": false, "55119876x4321-1612345678": false, "US.13491208655302741919-1612345678": false, "us": false, "Y2Fw": false,
	} {
		if got := identity.IsGroupID([]byte(id)); got != want {
			t.Errorf("IsGroupID(%q) = %v", id, got)
		}
	}
	for id, want := range map[string]bool{"G1": true, "chat-7": true, "16505550100": false, "US.1": false, "7@lid": false, "lid:7": false, "": false, "1@g.us": false} {
		if got := identity.IsUnknown([]byte(id)); got != want {
			t.Errorf("IsUnknown(%q) = %v", id, got)
		}
	}
}

func TestAPhoneNumberHasThreeTo24Digits(t *testing.T) {
	const most = "123456789012345678901234"
	for id, want := range map[string]bool{
		"12": false, "123": true, "+12": false, "+1 2": false, "+12-3": true,
		most: true, "+" + most: true, most + "5": false, "+" + most + "5": false,
		"12:34": false, "12/34": false, "1+23": false, "090": true,
	} {
		if got := identity.IsPhone([]byte(id)); got != want {
			t.Errorf("IsPhone(%q) = %v", id, got)
		}
		digits, ok := identity.Phone([]byte(id))
		if ok != want || (digits != nil) != want {
			t.Errorf("Phone(%q) = %q, %v", id, digits, ok)
		}
	}
}

func TestAnInternationalPrefixHasSevenDigitsBehindIt(t *testing.T) {
	for id, want := range map[string]string{"001234567": "1234567", "00123456": "00123456", "+00 123-4567": "1234567", "+00 123-456": "00123456"} {
		if got := string(identity.Digits([]byte(id))); got != want {
			t.Errorf("Digits(%q) = %q, want %q", id, got, want)
		}
	}
	if !identity.SamePhone([]byte("001234567"), []byte("1234567")) || identity.SamePhone([]byte("00123456"), []byte("123456")) {
		t.Error("SamePhone sees another prefix than Digits")
	}
}

func TestDigitsInOnePieceAreASliceOfTheID(t *testing.T) {
	for _, id := range [][]byte{[]byte("16505550100"), []byte("+16505550100"), []byte("0016505550100"), []byte("+0016505550100")} {
		digits := identity.Digits(id)
		if &digits[len(digits)-1] != &id[len(id)-1] {
			t.Errorf("Digits(%s) is a copy", id)
		}
		if grown := append(digits, 'x'); string(id) == string(grown) {
			t.Errorf("Digits(%s) can be appended to in place", id)
		}
	}
}

func TestUserIDsOfTheFirstAndTheLastLetters(t *testing.T) {
	for id, want := range map[string]bool{
		"AR.1": true, "ar.1": true, "ZA.1": true, "za.1": true, "NZ.1": true, "aa.1": true, "ZZ.1": true,
		"@R.1": false, "[Z.1": false, "A{.1": false, "Z`.1": false, "1A.1": false, "A1.1": false,
	} {
		if got := identity.IsUserID([]byte(id)); got != want {
			t.Errorf("IsUserID(%q) = %v", id, got)
		}
	}
}

func TestAnIDOfSignsAloneNamesNobody(t *testing.T) {
	for id, want := range map[string]string{
		"": "", " ": "", "+": "", "+ ( ) - .": "", "+1": "+1", " 1 ": " 1 ", "US.1": "US.1", "()x": "()x",
	} {
		if got := string(identity.Named([]byte(id))); got != want {
			t.Errorf("Named(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestASignOfAnAddressIsKnownWhereverItStands(t *testing.T) {
	for _, id := range []string{"@lid", ":lid", "7@", "7:", "lid:7", "7@lid"} {
		if identity.IsUnknown([]byte(id)) {
			t.Errorf("IsUnknown(%q)", id)
		}
	}
}
