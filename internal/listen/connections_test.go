package listen

import (
	"net"
	"slices"
	"testing"
)

// connectionsOf returns Connections, a function that adds a connection with a name, and the names of those that were closed.
func connectionsOf(most, waitingMax int) (enter func(name string) *Connection, closed *[]string, c *Connections) {
	closed = new([]string)
	c = NewConnections(most, waitingMax, func() {})
	return func(name string) *Connection { return c.Enter(&named{name: name, closed: closed}) }, closed, c
}

type named struct {
	net.Conn
	name   string
	closed *[]string
}

func (c *named) Close() error {
	*c.closed = append(*c.closed, c.name)
	return nil
}

func TestTheLongestWaitMakesRoomFirst(t *testing.T) {
	enter, closed, _ := connectionsOf(3, 3)
	a, b := enter("a"), enter("b")
	enter("c")
	a.Use()
	a.Wait() // behind c
	b.Use()
	for _, name := range []string{"d", "e", "f"} {
		enter(name)
	}
	if want := []string{"c", "a", "d"}; !slices.Equal(*closed, want) {
		t.Errorf("closed: %v, want %v", *closed, want)
	}
}

// TestTheEarliestUseMakesRoomWhenNoneWaits: a newcomer is never closed for itself.
func TestTheEarliestUseMakesRoomWhenNoneWaits(t *testing.T) {
	enter, closed, _ := connectionsOf(2, 2)
	a, b := enter("a"), enter("b")
	b.Use()
	a.Use()
	b.Use() // again, later than a
	enter("c").Use()
	enter("d")
	enter("e") // for which d goes: it waits
	if want := []string{"a", "b", "d"}; !slices.Equal(*closed, want) {
		t.Errorf("closed: %v, want %v", *closed, want)
	}
}

func TestThoseThatWaitHaveALimitOfTheirOwn(t *testing.T) {
	enter, closed, _ := connectionsOf(100, 2)
	for _, name := range []string{"a", "b", "c", "d"} {
		enter(name).Use()
	}
	for _, name := range []string{"e", "f", "g"} {
		enter(name)
	}
	if want := []string{"e"}; !slices.Equal(*closed, want) {
		t.Errorf("closed: %v, want %v", *closed, want)
	}
}

func TestClosedConnectionsTakeNoRoom(t *testing.T) {
	enter, closed, c := connectionsOf(2, 2)
	a := enter("a")
	b := enter("b")
	b.Use()
	for _, m := range []*Connection{a, a, b} { // one of them twice
		_ = m.Close()
		m.Use()
		m.Wait()
	}
	if n := c.waiting.Len() + c.used.Len(); n != 0 {
		t.Errorf("%d connections are counted, none is open", n)
	}
	*closed = nil
	enter("c")
	enter("d")
	if len(*closed) != 0 {
		t.Errorf("closed although there is room: %v", *closed)
	}
}
