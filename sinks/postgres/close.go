package postgres

import (
	"context"
	"net"
	"time"
)

// farewellMax is how long the end of the connections may take. The pool would wait 15 s for a server that is cut off: for its answer to the
// cancellation of a statement, on a connection of its own, and for the end of each connection. A drain has no time for that. Nothing
// depends on the answers: a transaction that is not committed is undone by the server, and the limits of its session end the statement.
const farewellMax = time.Second

// Close ends all connections. Nothing may be applied any more.
func (st *Store) Close() error {
	defer st.end()
	timer := time.AfterFunc(farewellMax, st.end)
	defer timer.Stop()
	st.pool.Close()
	return nil
}

// dial opens a connection that ends with a context.
func dial(ctx, over context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(over, cancel)()
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &ending{Conn: conn}
	c.forget = context.AfterFunc(over, func() { _ = conn.Close() }) // what uses it learns of it
	return c, nil
}

// ending is a connection that another end than its own closes.
type ending struct {
	net.Conn
	forget func() bool
}

// Close is as net.Conn has it.
func (c *ending) Close() error {
	c.forget()
	return c.Conn.Close()
}
