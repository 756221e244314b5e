package generators

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/required"
)

func TestClassesOfJSONSchema2PojoReadEveryEvent(t *testing.T) {
	gate(t)
	folder := workFolder(t)
	events := writeEvents(t, folder).Events
	program(t, "javac", "default-jdk-headless")
	maven, java := program(t, "mvn", "maven"), program(t, "java", "default-jre-headless")
	const place = "<!-- the plugin of the guide -->\n"
	pom := strings.Replace(string(content(t, "pom.xml")), place, guide(t, "jsonschema2pojo"), 1)
	write(t, filepath.Join(folder, "pom.xml"), []byte(pom))
	write(t, filepath.Join(folder, "Read.java"), content(t, "Read.java"))
	// Maven fetches the generator into its own cache; the rest is done without the registry.
	if _, err := output(t.Context(), folder, nil, maven, "-B", "-q", "dependency:resolve", "dependency:resolve-plugins"); err != nil {
		required.LeaveOut(t, err)
	}
	run(t, folder, nil, maven, "-B", "-q", "-o", "generate-sources", "dependency:build-classpath", "-Dmdep.outputFile=classpath")
	classpath, err := os.ReadFile(filepath.Join(folder, "classpath"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(folder, "target", "generated-sources", "*", "com", "example", "events", "*.java"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources were generated (%v)", err)
	}
	path := "classes" + string(os.PathListSeparator) + strings.TrimSpace(string(classpath))
	run(t, folder, nil, "javac", append([]string{"-d", "classes", "-cp", path, "Read.java"}, sources...)...)
	readAll(t, folder, len(events), nil, java, "-cp", path, "Read")
}
