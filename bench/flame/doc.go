// Package flame draws CPU profiles as flame graphs for documents: a picture without scripts, the callers on top, as
// wide as the share of their time. Parts that are too narrow to read are left out.
//
// Stacks are merged by function, not by line. Names are those of packages and functions; no path of the machine that built the
// program gets into the picture.
package flame
