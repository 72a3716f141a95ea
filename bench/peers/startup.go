// A program that does nothing: the counterpart of bench/workloads/startup.c. With an argument it allocates one object.
package main

import "os"

type node struct {
	next  *node
	value int64
}

var kept *node

func main() {
	if len(os.Args) > 1 {
		kept = &node{}
	}
}
