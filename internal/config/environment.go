package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// environment returns the layer of variables. A variable whose name is almost that of a key is a problem, also one whose
// prefix is misspelt. Other unknown ones with our prefix are warnings, because an image or a deployment may set variables of its own.
func environment(environ []string, keys []Key) (l layer, problems []error, warnings []string) {
	names, origins := make(map[string]string, len(keys)), map[string]string{}
	candidates := make([]string, 0, len(keys)+1)
	for i := range keys {
		names[keys[i].Env()] = keys[i].Name
		candidates = append(candidates, keys[i].Env())
	}
	candidates = append(candidates, ConfigEnv)
	l = layer{func(key string) string { return origins[key] }, map[string]any{}}
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			continue
		}
		ours := len(name) >= len(EnvPrefix) && strings.EqualFold(name[:len(EnvPrefix)], EnvPrefix)
		if key, known := names[name]; known {
			l.values[key], origins[key] = value, name
			continue
		}
		if name == ConfigEnv || slices.Contains(ofTests, name) || ofKubernetes(name, value) {
			continue
		}
		nearest, distance := nearestOf(strings.ToUpper(name), candidates)
		if distance <= misspelt {
			problems = append(problems, fmt.Errorf("%s: the environment variable sets no key; did you mean %s?", name, nearest))
			continue
		}
		if ours {
			warnings = append(warnings, fmt.Sprintf("the environment variable %s sets no key and is ignored%s", name, didYouMean(name, candidates)))
		}
	}
	return l, problems, warnings
}

// ofTests are the variables of this repository's own tests.
var ofTests = []string{EnvPrefix + "REQUIRE", EnvPrefix + "TEST_KAFKA", EnvPrefix + "COST_TIMES", EnvPrefix + "CHAOS_CLOCK"}

// misspelt is the maximum distance in letters at which a name counts as a misspelt key.
const misspelt = 2

// serviceVariable matches variables that Kubernetes and Docker set for a service: of one named
// coexstream or coexstream-ingress, COEXSTREAM_SERVICE_HOST, COEXSTREAM_INGRESS_SERVICE_PORT_HTTP, COEXSTREAM_INGRESS_PORT
// and COEXSTREAM_INGRESS_PORT_8080_TCP_ADDR.
var serviceVariable = regexp.MustCompile(`_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$`)

func ofKubernetes(name, value string) bool {
	return serviceVariable.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}
