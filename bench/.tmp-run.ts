const { run } = await import(process.argv[2] ?? '');
await run();
