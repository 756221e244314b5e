package flame

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// Node is a function as called by its parent, and the time of it and of all that it calls.
type Node struct {
	Name     string
	Package  string // its full path
	Time     time.Duration
	Children []*Node // the largest first
}

// Fold merges the stacks of a CPU profile. The root is the whole program.
func Fold(p *profile.Profile) (*Node, error) {
	value := slices.IndexFunc(p.SampleType, func(v *profile.ValueType) bool { return v.Type == "cpu" && v.Unit == "nanoseconds" })
	if value < 0 {
		return nil, errors.New("the profile has no CPU time")
	}
	root := &Node{Name: "all"}
	for _, s := range p.Sample {
		at, took := root, time.Duration(s.Value[value])
		root.Time += took
		for i := len(s.Location) - 1; i >= 0; i-- { // the outermost comes last
			lines := s.Location[i].Line
			for j := len(lines) - 1; j >= 0; j-- { // and inlined functions before those that they are inlined into
				if lines[j].Function == nil {
					continue
				}
				name := lines[j].Function.Name
				if name == at.full() {
					at.Time -= took // recursion is no depth
				} else {
					at = at.child(name)
				}
				at.Time += took
			}
		}
	}
	if root.Time == 0 {
		return nil, errors.New("the profile has no samples")
	}
	root.sort()
	return root, nil
}

func (n *Node) full() string { return n.Package + "." + n.Name }

func (n *Node) child(function string) *Node {
	pkg, name := cut(function)
	for _, c := range n.Children {
		if c.Name == name && c.Package == pkg {
			return c
		}
	}
	c := &Node{Name: name, Package: pkg}
	n.Children = append(n.Children, c)
	return c
}

func (n *Node) sort() {
	slices.SortFunc(n.Children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.full(), b.full()))
	})
	for _, c := range n.Children {
		c.sort()
	}
}

var typeArguments = regexp.MustCompile(`\[[^\]]*\]`)

// cut parts a function's full name into its package and the rest: "a.org/b/c.(*T).m" into "a.org/b/c" and "(*T).m".
func cut(function string) (pkg, name string) {
	function = typeArguments.ReplaceAllString(function, "")
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return "", function
	}
	return function[:slash+dot], function[slash+dot+1:]
}

// label is the name as it is read: the last part of the package, and the function.
func (n *Node) label() string {
	if n.Package == "" {
		return n.Name
	}
	short := n.Package[strings.LastIndexByte(n.Package, '/')+1:]
	if version := regexp.MustCompile(`^v[0-9]+$`); version.MatchString(short) {
		rest := strings.TrimSuffix(n.Package, "/"+short)
		short = rest[strings.LastIndexByte(rest, '/')+1:]
	}
	return short + "." + n.Name
}
