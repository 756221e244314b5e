package e2e_test

import (
	"os"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kube"
)

func TestMain(m *testing.M) { os.Exit(kube.Main(m)) }
