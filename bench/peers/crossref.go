// The job of examples/crossref, for comparison: reads C headers, finds every identifier and how it looks at each place,
// and answers in the same words. It follows the C program function by function, so that both do the same work; what Go
// brings (maps, append, strings, sorting) is used as a Go programmer would. Progress, totals and suggestions are left
// out.
//
//	crossref --quiet [--dir PATH] [--top N] NAME...
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ---- what is remembered

type look uint32

const (
	lookUse look = iota
	lookMacro
	lookTag
	lookTypedef
	lookFunction
	lookEnumerator
	lookVariable
)

var lookNames = [...]string{"use", "macro", "tag", "typedef", "function", "enumerator", "variable"}

const lookShift = 28

type place struct {
	fileAndLook uint32
	line        uint32
}

func (p place) file() uint32 { return p.fileAndLook & (1<<lookShift - 1) }
func (p place) look() look   { return look(p.fileAndLook >> lookShift) }

type keyword uint8

const (
	keywordNone keyword = iota
	keywordOther
	keywordType
	keywordQualifier
	keywordStorage
	keywordTypedef
	keywordStruct
	keywordEnum
	keywordAttribute
)

var keywords = map[keyword]string{
	keywordOther: "break case continue default do else for goto if return sizeof switch while _Alignof _Generic " +
		"_Static_assert __alignof __alignof__ __label__",
	keywordType: "char double float int long short signed unsigned void _Bool _Complex _Imaginary typeof __signed " +
		"__signed__ __typeof __typeof__",
	keywordQualifier: "const inline restrict volatile _Atomic _Noreturn _Thread_local __const __const__ __extension__ " +
		"__inline __inline__ __restrict __restrict__ __thread __volatile __volatile__",
	keywordStorage:   "auto extern register static",
	keywordTypedef:   "typedef",
	keywordStruct:    "struct union",
	keywordEnum:      "enum",
	keywordAttribute: "_Alignas asm __asm __asm__ __attribute __attribute__",
}

type identifier struct {
	text    string
	places  []place
	keyword keyword
}

type fileKey struct{ device, inode uint64 }

type crossref struct {
	identifiers map[string]*identifier
	files       []string
	visited     map[fileKey]bool
}

func newCrossref() *crossref {
	x := &crossref{identifiers: map[string]*identifier{}, visited: map[fileKey]bool{}}
	for k, words := range keywords {
		for word := range strings.FieldsSeq(words) {
			x.identifiers[word] = &identifier{text: word, keyword: k}
		}
	}
	return x
}

func (x *crossref) intern(text []byte) *identifier {
	if id := x.identifiers[string(text)]; id != nil {
		return id
	}
	id := &identifier{text: string(text)}
	x.identifiers[id.text] = id
	return id
}

func (x *crossref) visit(info os.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	key := fileKey{uint64(stat.Dev), stat.Ino}
	if x.visited[key] {
		return false
	}
	x.visited[key] = true
	return true
}

// ---- the lexer

type start uint8

const (
	startPunctuation start = iota
	startEnd
	startBlank
	startNewline
	startWord
	startDigit
	startQuote
	startSlash
	startHash
	startDot
	startBackslash
	startDigraph
)

var (
	startOf [256]start
	inWord  [256]bool
)

func init() {
	for c := range 256 {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$' || c >= 0x80
		digit := c >= '0' && c <= '9'
		inWord[c] = letter || digit
		switch {
		case letter:
			startOf[c] = startWord
		case digit:
			startOf[c] = startDigit
		}
	}
	for chars, s := range map[string]start{"\x00": startEnd, " \t\r\f\v": startBlank, "\n": startNewline,
		"\"'": startQuote, "/": startSlash, "#": startHash, ".": startDot, "\\": startBackslash, "<%:": startDigraph} {
		for _, c := range []byte(chars) {
			startOf[c] = s
		}
	}
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenPunctuation
	tokenString
	tokenLiteral
	tokenDirective
	tokenDirectiveEnd
)

type token struct {
	kind tokenKind
	c    byte
	text []byte // valid until the next token is asked for
	line uint64
}

// text ends with a 0, which no source holds, so that loops over characters need not test for the end.
type lexer struct {
	buffer      []byte
	text        []byte
	cursor      int
	line        uint64
	openComment uint64
	lineIsBlank bool
	inDirective bool
}

var errBinary = errors.New("binary")

func (l *lexer) start(file *os.File) error {
	l.buffer = l.buffer[:0]
	for {
		l.buffer = slices.Grow(l.buffer, 128<<10)
		n, err := file.Read(l.buffer[len(l.buffer) : cap(l.buffer)-1])
		l.buffer = l.buffer[:len(l.buffer)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if bytes.IndexByte(l.buffer, 0) >= 0 {
		return errBinary
	}
	l.text = append(l.buffer, 0)
	l.cursor, l.line, l.openComment = 0, 1, 0
	l.lineIsBlank, l.inDirective = true, false
	if bytes.HasPrefix(l.text, []byte("\xef\xbb\xbf")) {
		l.cursor = 3
	}
	return nil
}

func (l *lexer) current() byte { return l.text[l.cursor] }

func (l *lexer) spliceLength() int {
	for length := 1; ; length++ {
		c := l.text[l.cursor+length]
		if c == '\n' {
			return length + 1
		}
		if startOf[c] != startBlank {
			return 0
		}
	}
}

func (l *lexer) skipSplice() bool {
	length := l.spliceLength()
	l.cursor += length
	if length > 0 {
		l.line++
	}
	return length > 0
}

func (l *lexer) ahead() byte {
	for {
		c := l.current()
		if c != '\\' || !l.skipSplice() {
			return c
		}
	}
}

func (l *lexer) skipBlockComment(from uint64) {
	for {
		p := l.cursor
		for c := l.text[p]; c != 0 && c != '*' && c != '\n'; c = l.text[p] {
			p++
		}
		l.cursor = p
		if l.text[p] == 0 {
			l.openComment = from
			return
		}
		l.cursor++
		if l.text[p] == '\n' {
			l.line++
		} else if l.ahead() == '/' {
			l.cursor++
			return
		}
	}
}

func (l *lexer) skipLineComment() {
	for {
		p := l.cursor
		for c := l.text[p]; c != 0 && c != '\\' && c != '\n'; c = l.text[p] {
			p++
		}
		l.cursor = p
		c := l.current()
		if c == 0 || c == '\n' {
			return
		}
		if c == '\\' && !l.skipSplice() {
			l.cursor++
		}
	}
}

func (l *lexer) skipComment(line uint64) bool {
	switch l.ahead() {
	case '*':
		l.cursor++
		l.skipBlockComment(line)
		return true
	case '/':
		l.skipLineComment()
		return true
	}
	return false
}

func (l *lexer) skipProse() {
	for c := l.ahead(); c != 0 && c != '\n'; c = l.ahead() {
		l.cursor++
		if c == '/' {
			l.skipComment(l.line)
		}
	}
}

func (l *lexer) skipQuoted(quote byte) {
	for {
		p := l.cursor
		for c := l.text[p]; c != 0 && c != quote && c != '\\' && c != '\n'; c = l.text[p] {
			p++
		}
		l.cursor = p
		c := l.ahead()
		if c == 0 || c == '\n' {
			return
		}
		l.cursor++
		if c == quote {
			return
		}
		if c == '\\' {
			if c = l.ahead(); c != 0 && c != '\n' {
				l.cursor++
			}
		}
	}
}

func (l *lexer) skipRawString() {
	begin := l.cursor
	for c := l.current(); c != '('; c = l.current() {
		if c == 0 || strings.IndexByte(" )\\\t\v\f\r\n\"", c) >= 0 || l.cursor-begin == 16 {
			l.skipQuoted('"')
			return
		}
		l.cursor++
	}
	delimiter := l.text[begin:l.cursor]
	for c := l.current(); c != 0; c = l.current() {
		l.cursor++
		if c == '\n' {
			l.line++
		}
		if c != ')' {
			continue
		}
		same := 0
		for same < len(delimiter) && l.current() == delimiter[same] {
			l.cursor++
			same++
		}
		if same == len(delimiter) && l.current() == '"' {
			l.cursor++
			return
		}
	}
}

func (l *lexer) skipNumber() {
	for c := l.ahead(); c != 0; c = l.ahead() {
		if c == '\'' {
			if !inWord[l.text[l.cursor+1]] {
				return
			}
		} else if !inWord[c] && c != '.' {
			return
		}
		l.cursor++
		if c|0x20 == 'e' || c|0x20 == 'p' {
			if c = l.ahead(); c == '+' || c == '-' {
				l.cursor++
			}
		}
	}
}

func (l *lexer) universalNameLength() int {
	length, wanted := 0, 2
	for {
		c := l.text[l.cursor+length]
		if length == 1 {
			switch c {
			case 'u':
				wanted = 6
			case 'U':
				wanted = 10
			default:
				return 0
			}
		} else if length > 1 && strings.IndexByte("0123456789abcdefABCDEF", c) < 0 {
			return 0
		}
		if length++; length >= wanted {
			return length
		}
	}
}

func (l *lexer) takeWord(t *token) {
	begin, length := l.cursor, 0
	for {
		p := l.cursor
		for inWord[l.text[p]] {
			p++
		}
		if begin+length != l.cursor {
			copy(l.text[begin+length:], l.text[l.cursor:p])
		}
		length += p - l.cursor
		l.cursor = p
		if l.text[p] != '\\' {
			break
		}
		if skipped := l.spliceLength(); skipped > 0 {
			l.line++
			l.cursor += skipped
			continue
		}
		name := l.universalNameLength()
		if name == 0 {
			break
		}
		copy(l.text[begin+length:], l.text[l.cursor:l.cursor+name])
		length += name
		l.cursor += name
	}
	t.kind = tokenWord
	t.text = l.text[begin : begin+length]
}

func (l *lexer) skipPrefixed(t *token) {
	quote := l.current()
	if quote != '"' && quote != '\'' || len(t.text) > 3 {
		return
	}
	switch string(t.text) {
	case "L", "u", "U", "u8":
		l.cursor++
		l.skipQuoted(quote)
	case "R", "LR", "uR", "UR", "u8R":
		if quote == '\'' {
			return
		}
		l.cursor++
		l.skipRawString()
	default:
		return
	}
	t.kind = tokenLiteral
	if quote == '"' {
		t.kind = tokenString
	}
}

func (l *lexer) aheadOnLine() byte {
	for {
		c := l.ahead()
		if startOf[c] == startBlank {
			l.cursor++
		} else if c == '/' {
			l.cursor++
			if !l.skipComment(l.line) {
				return c
			}
		} else {
			return c
		}
	}
}

func (l *lexer) takeDirective(t *token) {
	t.text = nil
	if c := l.aheadOnLine(); startOf[c] == startWord {
		l.takeWord(t)
	}
	t.kind = tokenDirective
	l.inDirective = true
	switch string(t.text) {
	case "error", "warning", "ident", "sccs":
		l.skipProse()
	case "include", "include_next", "import", "embed":
		if l.aheadOnLine() == '<' {
			for c := l.ahead(); c != 0 && c != '\n' && c != '>'; c = l.ahead() {
				l.cursor++
			}
		}
	}
}

func (l *lexer) takeDigraph() byte {
	first := l.text[l.cursor]
	l.cursor++
	switch string([]byte{first, l.ahead()}) {
	case "<%":
		first = '{'
	case "%>":
		first = '}'
	case "<:":
		first = '['
	case ":>":
		first = ']'
	case "%:":
		first = '#'
	default:
		return first
	}
	l.cursor++
	return first
}

func (l *lexer) skipToToken() start {
	for {
		p := l.cursor
		for startOf[l.text[p]] == startBlank {
			p++
		}
		l.cursor = p
		switch s := startOf[l.text[p]]; s {
		case startNewline:
			if l.inDirective {
				return s
			}
			l.cursor++
			l.line++
			l.lineIsBlank = true
		case startBackslash:
			if !l.skipSplice() {
				return startPunctuation
			}
		default:
			return s
		}
	}
}

func (l *lexer) next(t *token) {
	for {
		s := l.skipToToken()
		beginsLine := l.lineIsBlank
		t.line = l.line
		l.lineIsBlank = false
		switch s {
		case startEnd, startNewline:
			t.kind = tokenEnd
			if l.inDirective {
				t.kind = tokenDirectiveEnd
			}
			l.inDirective = false
			return
		case startWord:
			l.takeWord(t)
			l.skipPrefixed(t)
			return
		case startDigit:
			l.cursor++
			l.skipNumber()
			t.kind = tokenLiteral
			return
		case startQuote:
			quote := l.current()
			t.kind = tokenLiteral
			if quote == '"' {
				t.kind = tokenString
			}
			l.cursor++
			l.skipQuoted(quote)
			return
		case startSlash:
			l.cursor++
			if l.skipComment(t.line) {
				l.lineIsBlank = beginsLine
				continue
			}
			t.c = '/'
		case startDot:
			l.cursor++
			t.c = '.'
			if startOf[l.ahead()] == startDigit {
				l.skipNumber()
				t.kind = tokenLiteral
				return
			}
		case startHash, startDigraph:
			t.c = l.takeDigraph()
			if t.c == '#' && beginsLine && !l.inDirective {
				l.takeDirective(t)
				return
			}
		default:
			t.c = l.current()
			l.cursor++
		}
		t.kind = tokenPunctuation
		return
	}
}

// ---- declarations

type seen uint8

const (
	seenNothing seen = iota
	seenOther
	seenStorage
	seenType
	seenWord
	seenStar
	seenTag
	seenTagName
	seenOpenParen
	seenCloseParen
	seenOpenBrace
	seenComma
	seenLinkage
)

const bracesKnown = 64

type spot struct {
	id    *identifier
	index int
}

func (at spot) mark(as look) {
	p := &at.id.places[at.index]
	p.fileAndLook = p.file() | uint32(as)<<lookShift
}

type context struct {
	enumBraces                                         uint64
	depth, hiding, parens, heldParens, attributeParens uint32
	before, previous                                   seen
	inAttribute, tagIsEnum, isTypedef, inInitialiser   bool
	isDeclared, isFixed, inDeclarator, goesOn          bool
	last, candidate, earlier, function                 spot
}

type conditional struct {
	outer  *conditional
	before context
}

type parser struct {
	x            *crossref
	file         uint32
	now          context
	conditionals *conditional
}

func (c *context) atFileLevel() bool { return c.hiding == 0 }

func (c *context) see(s seen) { c.before, c.previous = c.previous, s }

func (c *context) beginDeclarator() {
	c.isDeclared, c.isFixed, c.inInitialiser, c.inDeclarator = false, false, false, false
	c.candidate, c.earlier, c.function = spot{}, spot{}, spot{}
}

func (c *context) beginStatement() {
	c.beginDeclarator()
	c.isTypedef = false
	c.parens = 0
	c.before, c.previous = seenNothing, seenNothing
}

func (c *context) settle() {
	if c.candidate.id != nil && !c.isDeclared {
		if c.isTypedef {
			c.candidate.mark(lookTypedef)
		} else {
			c.candidate.mark(lookVariable)
		}
	}
	c.isDeclared = true
}

func mayStandBeforeName(s seen) bool {
	return s == seenType || s == seenWord || s == seenStar || s == seenTagName
}

func (c *context) settleFunction(next seen) {
	name := c.function
	c.function.id = nil
	if next == seenStar {
		c.inDeclarator = true
		return
	}
	if next == seenOpenParen && c.earlier.id != nil {
		name = c.earlier
	}
	if c.isTypedef {
		name.mark(lookTypedef)
	} else {
		name.mark(lookFunction)
	}
	c.isDeclared = true
}

func (c *context) inEnum() bool {
	return c.depth > 0 && c.depth <= bracesKnown && c.enumBraces>>(c.depth-1)&1 != 0
}

func (c *context) openBrace() {
	isTag := c.previous == seenTag || c.previous == seenTagName
	isLinkage := c.previous == seenLinkage && c.atFileLevel()
	if c.previous == seenTagName {
		c.last.mark(lookTag)
	}
	if c.depth < bracesKnown {
		bit := uint64(1) << c.depth
		c.enumBraces &^= bit
		if isTag && c.tagIsEnum {
			c.enumBraces |= bit
		}
	}
	c.depth++
	if isLinkage {
		c.beginStatement()
		return
	}
	if c.atFileLevel() {
		c.goesOn = isTag || c.inInitialiser
		c.heldParens = c.parens
	}
	c.hiding++
	c.parens = 0
	c.see(seenOpenBrace)
}

func (c *context) closeBrace() {
	wasHiding := c.hiding > 0
	if c.depth > 0 {
		c.depth--
	}
	if wasHiding {
		c.hiding--
	}
	if c.atFileLevel() && !(wasHiding && c.goesOn) {
		c.beginStatement()
		return
	}
	c.parens = 0
	if c.atFileLevel() {
		c.parens = c.heldParens
	}
	if c.inInitialiser {
		c.see(seenOther)
	} else {
		c.see(seenType)
	}
}

func (c *context) openParen() {
	if c.atFileLevel() && c.parens == 0 && !c.isDeclared {
		if c.previous == seenWord && (mayStandBeforeName(c.before) || c.before == seenCloseParen) {
			c.function = c.last
		} else if c.isTypedef && c.previous != seenCloseParen || c.previous != seenWord && mayStandBeforeName(c.previous) {
			c.inDeclarator = true
		}
	}
	c.parens++
	c.see(seenOpenParen)
}

func (c *context) closeParen() {
	if c.parens > 0 {
		c.parens--
	}
	if c.parens == 0 {
		c.inDeclarator = false
	}
	c.see(seenCloseParen)
}

func (c *context) skipAttribute(punctuation byte) bool {
	if !c.inAttribute {
		return false
	}
	if punctuation == '(' {
		c.attributeParens++
		return true
	}
	if c.attributeParens == 0 {
		c.inAttribute = false
		return false
	}
	if punctuation == ')' {
		if c.attributeParens--; c.attributeParens == 0 {
			c.inAttribute = false
		}
	}
	return true
}

func (c *context) seePunctuation(punctuation byte) {
	if c.skipAttribute(punctuation) {
		return
	}
	if c.function.id != nil {
		switch punctuation {
		case '*', '^':
			c.settleFunction(seenStar)
		case '(':
			c.settleFunction(seenOpenParen)
		default:
			c.settleFunction(seenOther)
		}
	}
	endsDeclarator := c.atFileLevel() && c.parens == 0
	switch punctuation {
	case '{':
		c.openBrace()
	case '}':
		c.closeBrace()
	case '(', '[':
		c.openParen()
	case ')', ']':
		c.closeParen()
	case '*':
		c.see(seenStar)
	case ';':
		if endsDeclarator {
			c.settle()
			c.beginStatement()
		} else {
			c.see(seenOther)
		}
	case ',':
		if endsDeclarator {
			c.settle()
			c.beginDeclarator()
			c.see(seenType)
		} else {
			c.see(seenComma)
		}
	case '=':
		if endsDeclarator {
			c.settle()
			c.inInitialiser = true
		}
		c.see(seenOther)
	default:
		c.see(seenOther)
	}
}

func (c *context) seeKeyword(k keyword) {
	if k == keywordQualifier || c.skipAttribute(0) {
		return
	}
	if c.function.id != nil {
		c.settleFunction(seenType)
	}
	switch k {
	case keywordType:
		c.see(seenType)
	case keywordStorage:
		c.see(seenStorage)
	case keywordTypedef:
		c.isTypedef = c.isTypedef || c.atFileLevel()
		c.see(seenStorage)
	case keywordStruct, keywordEnum:
		c.tagIsEnum = k == keywordEnum
		c.see(seenTag)
	case keywordAttribute:
		c.inAttribute = true
		c.attributeParens = 0
	default:
		c.see(seenOther)
	}
}

func (c *context) seeIdentifier(at spot) {
	if c.skipAttribute(0) {
		return
	}
	if c.function.id != nil {
		c.settleFunction(seenWord)
	}
	c.last = at
	if c.previous == seenTag {
		c.see(seenTagName)
		return
	}
	if c.inEnum() && c.parens == 0 && (c.previous == seenOpenBrace || c.previous == seenComma) {
		at.mark(lookEnumerator)
	}
	if c.atFileLevel() && !c.isDeclared && !c.isFixed {
		if c.parens == 0 && (c.isTypedef || mayStandBeforeName(c.previous)) {
			c.earlier = c.candidate
			c.candidate = at
		} else if c.parens == 1 && c.previous == seenStar && c.inDeclarator {
			c.candidate = at
			c.isFixed = true
		}
	}
	c.see(seenWord)
}

func (c *context) seeLiteral(isString bool) {
	if c.skipAttribute(0) {
		return
	}
	if c.function.id != nil {
		c.settleFunction(seenOther)
	}
	if isString && c.previous == seenStorage {
		c.see(seenLinkage)
	} else {
		c.see(seenOther)
	}
}

func (p *parser) addPlace(id *identifier, t *token) spot {
	id.places = append(id.places, place{p.file, uint32(min(t.line, math.MaxUint32))})
	return spot{id, len(id.places) - 1}
}

func (p *parser) readDirective(l *lexer, t *token) {
	namesMacro, isCondition := false, false
	switch string(t.text) {
	case "if", "ifdef", "ifndef":
		p.conditionals = &conditional{p.conditionals, p.now}
		isCondition = true
	case "elif", "elifdef", "elifndef", "else":
		if p.conditionals != nil {
			p.now = p.conditionals.before
		}
		isCondition = true
	case "endif":
		if p.conditionals != nil {
			p.conditionals = p.conditionals.outer
		}
	case "define":
		namesMacro = true
	}
	for l.next(t); t.kind != tokenDirectiveEnd; l.next(t) {
		if t.kind == tokenWord && !(isCondition && string(t.text) == "defined") {
			if id := p.x.intern(t.text); id.keyword == keywordNone {
				at := p.addPlace(id, t)
				if namesMacro {
					at.mark(lookMacro)
				}
			}
		}
		namesMacro = false
	}
}

func (x *crossref) readTokens(l *lexer) {
	p := parser{x: x, file: uint32(len(x.files) - 1)}
	var t token
	for l.next(&t); t.kind != tokenEnd; l.next(&t) {
		switch t.kind {
		case tokenWord:
			if id := x.intern(t.text); id.keyword != keywordNone {
				p.now.seeKeyword(id.keyword)
			} else {
				p.now.seeIdentifier(p.addPlace(id, &t))
			}
		case tokenPunctuation:
			p.now.seePunctuation(t.c)
		case tokenDirective:
			p.readDirective(l, &t)
		default:
			p.now.seeLiteral(t.kind == tokenString)
		}
	}
}

// ---- the walk

func complain(path string, err error) {
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = pathError.Err
	}
	fmt.Fprintf(os.Stderr, "crossref: %s: %v; skipped\n", path, err)
}

type entry struct {
	next                *entry
	path                string
	isLink, isDirectory bool
}

func (x *crossref) visitFile(l *lexer, path string) {
	file, err := os.Open(path)
	if err != nil {
		complain(path, err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		complain(path, err)
		return
	}
	if !x.visit(info) {
		return
	}
	if err := l.start(file); err != nil {
		if err != errBinary {
			complain(path, err)
		}
		return
	}
	x.files = append(x.files, path)
	x.readTokens(l)
	if l.openComment != 0 {
		fmt.Fprintf(os.Stderr, "crossref: %s: the comment begun in line %d does not end\n", path, l.openComment)
	}
}

func isHeaderName(name string) bool { return len(name) > 2 && strings.HasSuffix(name, ".h") }

func (x *crossref) readDirectory(path string, rest *entry) *entry {
	directory, err := os.Open(path)
	if err != nil {
		complain(path, err)
		return rest
	}
	defer directory.Close()
	info, err := directory.Stat()
	if err != nil {
		complain(path, err)
		return rest
	}
	if !x.visit(info) {
		return rest
	}
	found, err := directory.ReadDir(-1)
	if err != nil {
		complain(path, err)
	}
	var wanted []*entry
	for _, f := range found {
		kind := f.Type()
		if kind.IsRegular() && !isHeaderName(f.Name()) {
			continue
		}
		separator := "/"
		if strings.HasSuffix(path, "/") {
			separator = ""
		}
		e := &entry{path: path + separator + f.Name(), isLink: kind&os.ModeSymlink != 0}
		if e.isLink {
			target, err := os.Stat(e.path)
			if err != nil {
				if isHeaderName(f.Name()) {
					complain(e.path, err)
				}
				continue
			}
			kind = target.Mode().Type()
		}
		e.isDirectory = kind.IsDir()
		if e.isDirectory || kind.IsRegular() && isHeaderName(f.Name()) {
			wanted = append(wanted, e)
		}
	}
	slices.SortFunc(wanted, func(a, b *entry) int {
		if a.isLink != b.isLink {
			if a.isLink {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.path, b.path)
	})
	for _, e := range slices.Backward(wanted) {
		e.next = rest
		rest = e
	}
	return rest
}

func (x *crossref) walk(path string) {
	info, err := os.Stat(path)
	if err != nil {
		complain(path, err)
		return
	}
	l := &lexer{}
	for todo := (&entry{path: path, isDirectory: info.IsDir()}); todo != nil; {
		e := todo
		todo = todo.next
		if e.isDirectory {
			todo = x.readDirectory(e.path, todo)
		} else {
			x.visitFile(l, e.path)
		}
	}
}

// ---- answers

func isMore(a, b *identifier) bool {
	if len(a.places) != len(b.places) {
		return len(a.places) > len(b.places)
	}
	return a.text < b.text
}

func rarestFirst(a, b *identifier) int {
	if isMore(b, a) {
		return -1
	}
	return 1
}

func sink(heap []*identifier, id *identifier) {
	at := 0
	for {
		child := 2*at + 1
		if child >= len(heap) {
			break
		}
		if child+1 < len(heap) && isMore(heap[child], heap[child+1]) {
			child++
		}
		if !isMore(id, heap[child]) {
			break
		}
		heap[at] = heap[child]
		at = child
	}
	heap[at] = id
}

func filesOf(id *identifier) int {
	files := 0
	for i, p := range id.places {
		if i == 0 || p.file() != id.places[i-1].file() {
			files++
		}
	}
	return files
}

func answerTop(out io.Writer, x *crossref, count int) {
	var top []*identifier
	for _, id := range x.identifiers {
		if len(id.places) == 0 {
			continue
		}
		if len(top) < count {
			top = append(top, id)
			if len(top) == count {
				slices.SortFunc(top, rarestFirst)
			}
		} else if isMore(id, top[0]) {
			sink(top, id)
		}
	}
	slices.SortFunc(top, rarestFirst)
	fmt.Fprintf(out, "%11s  %6s  identifier\n", "occurrences", "files")
	for _, id := range slices.Backward(top) {
		fmt.Fprintf(out, "%11d  %6d  %s\n", len(id.places), filesOf(id), id.text)
	}
}

const shown = 100

// The line as far as it fits, without the blanks in front of it.
func sourceLine(text []byte, line uint32) string {
	for n := uint32(1); n < line; n++ {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	text, _, _ = bytes.Cut(text, []byte{'\n'})
	clean := make([]byte, 0, shown)
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		if c == ' ' && len(clean) == 0 {
			continue
		}
		if len(clean) == shown {
			if c&0xc0 == 0x80 {
				for len(clean) > 1 && clean[len(clean)-1]&0xc0 == 0x80 {
					clean = clean[:len(clean)-1]
				}
				clean = clean[:len(clean)-1]
			}
			return " " + string(clean) + " ..."
		}
		clean = append(clean, c)
	}
	if clean = bytes.TrimRight(clean, " "); len(clean) == 0 {
		return ""
	}
	return " " + string(clean)
}

func nextLine(id *identifier, from int) (stands place, next int) {
	first := id.places[from]
	stands = first
	for next = from; next < len(id.places); next++ {
		p := id.places[next]
		if p.file() != first.file() || p.line != first.line {
			break
		}
		if stands.look() == lookUse {
			stands = p
		}
	}
	return stands, next
}

func printPlaces(out io.Writer, x *crossref, id *identifier, uses bool, limit, total int) {
	count, open := 0, ""
	var text []byte
	for i := 0; i < len(id.places) && count < limit; {
		var at place
		at, i = nextLine(id, i)
		if (at.look() == lookUse) != uses {
			continue
		}
		path := x.files[at.file()]
		if path != open {
			text, _ = os.ReadFile(path)
			open = path
		}
		fmt.Fprintf(out, "%s:%d: %s:%s\n", path, at.line, lookNames[at.look()], sourceLine(text, at.line))
		count++
	}
	if count < total {
		what := "definitions"
		if uses {
			what = "uses"
		}
		fmt.Fprintf(out, "... and %d more %s\n", total-count, what)
	}
}

func plural(count int, word string) string {
	if count == 1 {
		return "1 " + word
	}
	return strconv.Itoa(count) + " " + word + "s"
}

func answerName(out io.Writer, x *crossref, name string, limit int) bool {
	id := x.identifiers[name]
	if id == nil || len(id.places) == 0 {
		fmt.Fprintf(out, "%s: not found\n", name)
		return false
	}
	definitions, uses := 0, 0
	for i := 0; i < len(id.places); {
		var at place
		if at, i = nextLine(id, i); at.look() == lookUse {
			uses++
		} else {
			definitions++
		}
	}
	fmt.Fprintf(out, "%s: %s, %s, in %s\n", id.text, plural(definitions, "definition"), plural(uses, "use"),
		plural(filesOf(id), "file"))
	printPlaces(out, x, id, false, limit, definitions)
	printPlaces(out, x, id, true, limit, uses)
	return true
}

func main() {
	path, top := "/usr/include", 0
	var names []string
	for args := os.Args[1:]; len(args) > 0; args = args[1:] {
		switch {
		case args[0] == "--quiet":
		case args[0] == "--dir" && len(args) > 1:
			path = args[1]
			args = args[1:]
		case args[0] == "--top" && len(args) > 1:
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 {
				fmt.Fprintln(os.Stderr, "crossref: --top wants a number")
				os.Exit(2)
			}
			top = n
			args = args[1:]
		case strings.HasPrefix(args[0], "-"):
			fmt.Fprintf(os.Stderr, "crossref: unknown option %s\n", args[0])
			os.Exit(2)
		default:
			names = append(names, args[0])
		}
	}
	x := newCrossref()
	x.walk(path)
	out := bufio.NewWriter(os.Stdout)
	if top > 0 {
		answerTop(out, x, top)
	}
	found := true
	for i, name := range names {
		if i > 0 || top > 0 {
			fmt.Fprintln(out)
		}
		found = answerName(out, x, name, 10) && found
	}
	if err := out.Flush(); err != nil || !found {
		os.Exit(1)
	}
}
