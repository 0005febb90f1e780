package shell

import (
	"fmt"
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// needs reports that the construct what can only be run in the container.
func needs(pos syntax.Pos, what string) error {
	return fmt.Errorf("line %d: %s: %w", pos.Line(), what, ErrNeedsContainer)
}

func (s *Shell) block(stmts []*syntax.Stmt) error {
	for _, stmt := range stmts {
		if err := s.stmt(stmt); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shell) stmt(st *syntax.Stmt) error {
	if s.steps++; s.steps > maxSteps {
		return needs(st.Pos(), "too many statements")
	}
	if st.Background || st.Coprocess || st.Disown || len(st.Redirs) > 0 {
		return needs(st.Pos(), "redirection or background command")
	}
	if err := s.command(st); err != nil {
		return err
	}
	if st.Negated {
		s.status = truth(s.status != 0)
	}
	return nil
}

func (s *Shell) command(st *syntax.Stmt) error {
	switch cmd := st.Cmd.(type) {
	case *syntax.CallExpr:
		return s.call(cmd)
	case *syntax.Block:
		return s.block(cmd.Stmts)
	case *syntax.IfClause:
		return s.conditional(cmd)
	case *syntax.CaseClause:
		return s.choose(cmd)
	case *syntax.ForClause:
		return s.loop(cmd)
	case *syntax.BinaryCmd:
		return s.binary(cmd)
	}
	return needs(st.Pos(), "compound command")
}

// binary evaluates && and ||.
func (s *Shell) binary(cmd *syntax.BinaryCmd) error {
	if cmd.Op != syntax.AndStmt && cmd.Op != syntax.OrStmt {
		return needs(cmd.OpPos, "pipe")
	}
	if err := s.stmt(cmd.X); err != nil {
		return err
	}
	if (s.status == 0) != (cmd.Op == syntax.AndStmt) {
		return nil
	}
	return s.stmt(cmd.Y)
}

func (s *Shell) conditional(c *syntax.IfClause) error {
	for ; c != nil; c = c.Else {
		if len(c.Cond) == 0 { // else
			return s.block(c.Then)
		}
		if err := s.block(c.Cond); err != nil {
			return err
		}
		if s.status == 0 {
			return s.block(c.Then)
		}
	}
	s.status = 0
	return nil
}

// loop evaluates for NAME in WORDS.
func (s *Shell) loop(f *syntax.ForClause) error {
	words, ok := f.Loop.(*syntax.WordIter)
	if !ok || f.Select || !words.InPos.IsValid() {
		return needs(f.Pos(), "loop")
	}
	items, err := s.fields(words.Items)
	if err != nil {
		return err
	}
	s.status = 0
	for _, item := range items {
		if err := s.assign(words.Name.Value, item); err != nil {
			return err
		}
		if err := s.block(f.Do); err != nil {
			return err
		}
	}
	return nil
}

// choose evaluates case WORD in. Patterns may be plain words or a lone *.
func (s *Shell) choose(c *syntax.CaseClause) error {
	subject, err := s.literal(c.Word)
	if err != nil {
		return err
	}
	for _, item := range c.Items {
		for _, p := range item.Patterns {
			matched := p.Lit() == "*"
			if !matched {
				text, err := s.field(p)
				if err != nil {
					return err
				}
				matched = text.value == subject
			}
			switch {
			case !matched:
			case item.Op != syntax.Break:
				return needs(item.Pos(), "case that falls through")
			default:
				s.status = 0
				return s.block(item.Stmts)
			}
		}
	}
	s.status = 0
	return nil
}

// call evaluates a simple command: assignments alone, or one of the commands
// that every shell has built in and that act on nothing but variables.
func (s *Shell) call(c *syntax.CallExpr) error {
	if len(c.Args) == 0 {
		return s.assignments(c.Assigns)
	}
	args, err := s.fields(c.Args)
	if err != nil {
		return err
	}
	if len(c.Assigns) > 0 || len(args) == 0 {
		return needs(c.Pos(), "assignment for one command")
	}
	name, args := args[0], args[1:]
	switch name {
	case ":", "true":
		s.status = 0
	case "false":
		s.status = 1
	case "export":
		err = s.export(args)
	case "unset":
		err = s.unset(args)
	case "test":
		s.status, err = s.test(args)
	case "[":
		if len(args) == 0 || args[len(args)-1] != "]" {
			return needs(c.Pos(), "[ without ]")
		}
		s.status, err = s.test(args[:len(args)-1])
	case ".":
		err = s.source(args)
	default:
		return needs(c.Pos(), "command "+name)
	}
	if err != nil {
		return fmt.Errorf("line %d: %s: %w", c.Pos().Line(), name, err)
	}
	return nil
}

func (s *Shell) assignments(as []*syntax.Assign) error {
	for _, a := range as {
		if a.Append || a.Naked || a.Index != nil || a.Array != nil {
			return needs(a.Pos(), "array or appending assignment")
		}
		value, err := s.literal(a.Value)
		if err != nil {
			return err
		}
		if err := s.assign(a.Name.Value, value); err != nil {
			return err
		}
	}
	s.status = 0
	return nil
}

// export evaluates export NAME[=VALUE]...
func (s *Shell) export(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("listing: %w", ErrNeedsContainer)
	}
	for _, arg := range args {
		name, value, valued := strings.Cut(arg, "=")
		if !syntax.ValidName(name) {
			return fmt.Errorf("argument %q: %w", arg, ErrNeedsContainer)
		}
		if valued {
			if err := s.exportValue(name, value); err != nil {
				return err
			}
			continue
		}
		v := s.vars[name]
		v.exported = true
		s.vars[name] = v
	}
	s.status = 0
	return nil
}

func (s *Shell) unset(args []string) error {
	for _, name := range args {
		if !syntax.ValidName(name) || special(name) {
			return fmt.Errorf("argument %q: %w", name, ErrNeedsContainer)
		}
		s.total -= len(s.vars[name].value)
		delete(s.vars, name)
	}
	s.status = 0
	return nil
}

// source evaluates . FILE for an absolute path.
func (s *Shell) source(args []string) error {
	if len(args) != 1 || !path.IsAbs(args[0]) || s.depth == maxDepth {
		return ErrNeedsContainer
	}
	text, err := s.files.Read(args[0])
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNeedsContainer)
	}
	s.depth++
	defer func() { s.depth-- }()
	s.status = 0
	return s.Run(args[0], text)
}
