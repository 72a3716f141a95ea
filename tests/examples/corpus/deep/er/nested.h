int nested; /* the only file below */
